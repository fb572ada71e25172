"""Parser: argparse with errors that name what is allowed, and the nearest word for one that is misspelt."""

from __future__ import annotations

import argparse
import difflib
import math
import re
from collections.abc import Callable, Iterable
from typing import NoReturn

MAX_PORT = 65535

_NO_CHOICE = re.compile(r"(?:argument (?P<name>[^:]+): )?invalid choice: '(?P<word>.*?)' \(choose from (?P<known>.*)\)")
_WORD = re.compile(r"[^\s',]+")


class Parser(argparse.ArgumentParser):
    """A parser whose errors say what to write instead."""

    def error(self, message: str) -> NoReturn:
        """Write the error and end the program with exit code 2."""
        found = _NO_CHOICE.fullmatch(message)
        if found is None:
            super().error(message)
        known = _WORD.findall(found["known"])
        name = found["name"] if (found["name"] or "").startswith("-") else "command"
        near = nearest(found["word"], known)
        super().error(f"there is no {name} {found['word']!r}{near or '; one of: ' + ', '.join(known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the end of an error that names the nearest known word; empty when none is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def port(text: str) -> int:
    """Return the number of a port; 0 stands for a free one."""
    return integer(0, MAX_PORT)(text)


def integer(least: int, most: int) -> Callable[[str], int]:
    """Return a type of option: an integer of this range."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed: an integer from {least} to {most}")
        return int(text)

    return parse


def number(what: str) -> Callable[[str], float]:
    """Return a type of option: a number of at least 0; ``what`` names its unit."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            raise argparse.ArgumentTypeError(f"{text!r} is not allowed: a number of {what}, 0 or more")
        return value

    return parse
