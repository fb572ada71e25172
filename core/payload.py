"""JSON payloads, carried as text: checked at the edge, then never parsed or changed again.

Existing workers read plain JSON, and numbers must come back as they were written.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NewType

from core.errors import InvalidInput, TooLarge
from core.json_shape import check_shape
from core.limits import MAX_PAYLOAD_BYTES
from core.text import is_whole

Json = NewType("Json", str)
"""The text of a valid JSON document."""

NULL = Json("null")

_WHOLE = re.compile(
    r"""[^\\]*+(?:\\(?:
        [^u] # an escape that is no number
        | u(?:[^dD] | [dD][0-7]) # the number of a character
        | u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F] # those of both halves of one
    )[^\\]*+)*+""",
    re.VERBOSE,
)
"""A JSON document up to the first half of a character; without going back, so that a megabyte takes at most 20 ms."""
_HALF_LENGTH = len("\\ud800")

MOST_SEARCHED = 64 * 1024
"""Characters of a document in which a half of a character is looked for, so that an error can name its place."""

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
    _check_size(len(data), field)
    check_shape(data, field)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{field} is not valid JSON: it is not UTF-8 ({error.reason})") from None
    parsed(text, field)
    check_halves(Json(text), field)
    return Json(text)


def payload_of(text: str, field: str) -> Json:
    """Return the payload of a text that did not come over the wire, such as a plugin's; see ``parse_payload``."""
    if not is_whole(text):
        raise InvalidInput(f"{field} holds half of a character (a lone surrogate), which UTF-8 cannot hold")
    return parse_payload(text.encode(), field)


def sized(document: Json, field: str) -> Json:
    """Return a part of a checked JSON document as a payload.

    Raises:
        TooLarge: it is larger than ``MAX_PAYLOAD_BYTES``.
    """
    _check_size(len(document) if document.isascii() else len(document.encode()), field)
    return document


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


def check_halves(document: Json, field: str) -> None:
    """Return when no text in a JSON document holds a lone surrogate.

    JSON can spell such a text, and Python takes it; PostgreSQL, HTTP answers and the workers' parsers do not.

    Raises:
        InvalidInput: one does.
    """
    if _half_at(document, 0) is not None:
        place = _half(json.loads(document), field) if len(document) <= MOST_SEARCHED else field
        raise InvalidInput(f"{place} holds half of a character (a lone surrogate), which UTF-8 cannot hold")


def _half(value: Any, name: str) -> str:
    """Return where in a value, called ``name``, a text holds a lone surrogate."""
    open_values = [(value, name)]
    while open_values:
        found, place = open_values.pop()
        if isinstance(found, str) and not is_whole(found):
            return place
        if isinstance(found, dict):
            if not all(map(is_whole, found)):
                return f"a name in {place}"
            open_values += [(member, f"{place}.{key}") for key, member in found.items()]
        elif isinstance(found, list):
            open_values += [(each, place) for each in found]
    return name


def _half_at(document: Json, begin: int) -> int | None:
    """Return where in a JSON document, behind ``begin``, the first lone surrogate is escaped; None where none is."""
    found = _WHOLE.match(document, begin)
    assert found is not None  # it matches nothing, too
    return found.end() if found.end() < len(document) else None


def readable(document: Json) -> Json:
    """Return a stored document with U+FFFD for each half of a character: older versions of the server stored some.

    Every other character of the document stays as it is.
    """
    at = _half_at(document, 0)
    if at is None:
        return document
    parts, begin = [], 0
    while at is not None:
        parts.append(document[begin:at])
        begin = at + _HALF_LENGTH
        at = _half_at(document, begin)
    return Json("\\ufffd".join([*parts, document[begin:]]))


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


def _check_size(size: int, field: str) -> None:
    if size > MAX_PAYLOAD_BYTES:
        raise TooLarge(f"{field} has {size} bytes; at most {MAX_PAYLOAD_BYTES} are allowed")
