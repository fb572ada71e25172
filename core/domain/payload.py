"""JSON payloads, carried as text: checked at the edge, then never parsed or changed again.

Existing workers read plain JSON, and numbers must come back as they were written.
"""

from __future__ import annotations

import json
from typing import Any, NewType

from core.errors import InvalidInput, TooLarge

Json = NewType("Json", str)
"""The text of a valid JSON document."""

NULL = Json("null")

MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_DEPTH = 500
"""Deeper nesting is refused: parsers on the way (PostgreSQL's, the workers') recurse."""


def parse_payload(data: bytes, field: str) -> Json:
    """Return the payload of ``field``; empty bytes mean null.

    Raises:
        InvalidInput: it is not UTF-8 JSON, or nested too deeply.
        TooLarge: it is larger than ``MAX_PAYLOAD_BYTES``.
    """
    if not data:
        return NULL
    if len(data) > MAX_PAYLOAD_BYTES:
        raise TooLarge(f"{field} has {len(data)} bytes; at most {MAX_PAYLOAD_BYTES} are allowed")
    try:
        text = data.decode("utf-8")
        if text.count("[") + text.count("{") > MAX_DEPTH:
            _check_depth(text, field)
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).split(":")[0].lower()
        raise InvalidInput(f"{field} is not valid JSON: {reason}") from None
    return Json(text)


def dump(value: Any) -> Json:
    """Return the JSON text of a Python value."""
    return Json(json.dumps(value, separators=(",", ":"), allow_nan=False))


def json_object(**members: Json | None) -> Json:
    """Return the JSON object of members that are JSON texts themselves; None leaves a member out."""
    return Json("{" + ",".join(f'"{key}":{value}' for key, value in members.items() if value is not None) + "}")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not json")


def _check_depth(text: str, field: str) -> None:
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidInput(f"{field} is nested more than {MAX_DEPTH} levels deep")
        elif character in "]}":
            depth -= 1
