"""JSON payloads, carried as text: checked at the edge, then never parsed or changed again.

Existing workers read plain JSON, and numbers must come back as they were written.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NewType

from core.domain.json_shape import check_shape
from core.domain.text import is_whole
from core.errors import InvalidInput, TooLarge
from core.limits import MAX_PAYLOAD_BYTES

Json = NewType("Json", str)
"""The text of a valid JSON document."""

NULL = Json("null")

MAYBE_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""How a character that has two halves, or only one of them, is escaped."""

_ESCAPE = re.compile(
    r"""\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2} # a character in two halves
    | u[dD][89a-fA-F][0-9a-fA-F]{2} # half of one
    | .)""",
    re.VERBOSE | re.DOTALL,
)
_HALF_LENGTH = len("\\ud800")

_DIGITS = bytes.maketrans(
    bytes(range(256)),
    bytes(ord("0") if byte in b"0123456789" else ord("e") if byte in b"eE" else ord(" ") for byte in range(256)),
)
"""Leaves of a text what makes a number large: digits, all of them as 0, and exponents."""
_LARGE_EXPONENT, _MANY_DIGITS = b"e000", b"0" * 309


def parse_payload(data: bytes, field: str) -> Json:
    """Return the payload of ``field``; empty bytes mean null.

    Raises:
        InvalidInput: it is not UTF-8 JSON, nested too deeply, has too many values, or holds half of a character or a
            number out of range.
        TooLarge: it is larger than ``MAX_PAYLOAD_BYTES``.
    """
    if not data:
        return NULL
    if len(data) > MAX_PAYLOAD_BYTES:
        raise TooLarge(f"{field} has {len(data)} bytes; at most {MAX_PAYLOAD_BYTES} are allowed")
    check_shape(data, field)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{field} is not valid JSON: it is not UTF-8 ({error.reason})") from None
    value = parsed(text, field)
    if MAYBE_HALF.search(text) and (place := half_character(value, field)):
        raise InvalidInput(f"{place} holds half of a character (a lone surrogate), which UTF-8 cannot hold")
    return Json(text)


def payload_of(text: str, field: str) -> Json:
    """Return the payload of a text that did not come over the wire, such as a plugin's; see ``parse_payload``."""
    if not is_whole(text):
        raise InvalidInput(f"{field} holds half of a character (a lone surrogate), which UTF-8 cannot hold")
    return parse_payload(text.encode(), field)


def parsed(text: str, field: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        InvalidInput: it is not valid JSON, nested too deeply, or holds a number out of range.
    """
    try:
        return decoder(text).decode(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).split(":")[0].lower()
        raise InvalidInput(f"{field} is not valid JSON: {reason}") from None


def decoder(text: str) -> json.JSONDecoder:
    """Return a decoder for a text that refuses what only Python takes: NaN, Infinity and numbers out of range."""
    parse_float = _finite if _may_be_huge(text) else None
    return json.JSONDecoder(parse_constant=_refuse_constant, parse_float=parse_float)


def _may_be_huge(text: str) -> bool:
    """Whether the text may hold a number that is larger than a float can be.

    A regular expression takes a hundred times as long for a megabyte, or seconds where it tries digits again and again.
    """
    if len(text) < len("1e309"):
        return False
    plain = text.encode(errors="replace").translate(_DIGITS, b"+")
    return _LARGE_EXPONENT in plain or _MANY_DIGITS in plain


def half_character(value: Any, name: str) -> str | None:
    """Return where in a JSON value, called ``name``, a text holds a lone surrogate; None where none does.

    JSON can spell such a text, and Python takes it; PostgreSQL, HTTP answers and the workers' parsers do not.
    """
    open_values = [(value, name)]
    while open_values:
        found, place = open_values.pop()
        if isinstance(found, str):
            if not is_whole(found):
                return place
        elif isinstance(found, dict):
            if not all(map(is_whole, found)):
                return f"a name in {place}"
            open_values += [(member, f"{place}.{key}") for key, member in found.items()]
        elif isinstance(found, list):
            open_values += [(each, place) for each in found]
    return None


def readable(document: Json) -> Json:
    """Return a stored document with U+FFFD for each half of a character: older versions of the server stored some.

    Every other character of the document stays as it is.
    """
    if not MAYBE_HALF.search(document):
        return document
    return Json(_ESCAPE.sub(lambda found: "\\ufffd" if len(found[0]) == _HALF_LENGTH else found[0], document))


def dump(value: Any) -> Json:
    """Return the JSON text of a Python value."""
    return Json(json.dumps(value, separators=(",", ":"), allow_nan=False))


def json_object(**members: Json | None) -> Json:
    """Return the JSON object of members that are JSON texts themselves; None leaves a member out."""
    return Json("{" + ",".join(f'"{key}":{value}' for key, value in members.items() if value is not None) + "}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not json")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:40]} is out of range")
    return value
