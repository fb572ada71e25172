"""Values of options: JSON documents, times and pairs, checked before anything is sent."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.json_text import JsonText
from core.payload import Json
from server.cli.remote.output import parsed

JSON_HELP = "a JSON document; @FILE reads a file, - standard input"
TIME_HELP = "a time such as 2026-01-31T08:00:00Z, or an age such as 90s, 15m, 2h or 7d"

_AGE = re.compile(r"(\d{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def document(text: str) -> JsonText:
    """Return the JSON document that an option gives; every digit of it stays."""
    try:
        if text == "-":
            text = sys.stdin.read()
        elif text.startswith("@"):
            text = Path(text[1:]).expanduser().read_text("utf-8")
        json.loads(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text[1:]} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        hint = """; a text needs quotes: '"like this"'""" if text[:1].isalpha() else ""
        raise argparse.ArgumentTypeError(f"this is not JSON ({error}){hint}") from None
    return JsonText(Json(text))


def moment(text: str) -> str:
    """Return the time that an option gives, as the API takes it."""
    if (age := _AGE.fullmatch(text)) is not None:
        try:
            at = datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
        except OverflowError:
            raise argparse.ArgumentTypeError(f"{text!r} is before the year 1") from None
        return at.isoformat()
    try:
        return parsed(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: {TIME_HELP}") from None


def pair(text: str) -> tuple[str, str]:
    """Return the two sides of ``key=value``."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: write it as key=value")
    return key, value


def words(known: Sequence[str]) -> Callable[[str], str]:
    """Return a type of option: one or several of the known words, with commas between them, in any case."""

    def parse(text: str) -> str:
        for word in text.upper().split(","):
            if word not in known:
                raise argparse.ArgumentTypeError(f"{word!r} is not allowed: one or several of {', '.join(known)}")
        return text.upper()

    return parse
