"""Counts the values of a JSON text and measures its nesting without parsing: a costly text is refused early."""

from __future__ import annotations

from itertools import accumulate

from core.errors import InvalidInput
from core.limits import MAX_DEPTH, MAX_PAYLOAD_VALUES

_STEPS = [0] * 256
_STEPS[ord("[")] = _STEPS[ord("{")] = 1
_STEPS[ord("]")] = _STEPS[ord("}")] = -1
_OTHERS = bytes(byte for byte in range(256) if not _STEPS[byte])
"""All bytes but brackets."""


def check_shape(data: bytes, field: str, most: int = MAX_PAYLOAD_VALUES) -> None:
    """Return when the JSON text ``data`` of ``field`` is neither nested too deeply nor made of too many values.

    Names of members count as values. The text need not be valid: a parser reads it up to its first mistake, and up to
    there it costs no more than is counted here. Takes at most about 20 ms for a payload that passes.

    Raises:
        InvalidInput: it is nested more than ``MAX_DEPTH`` levels deep, or has more than ``most`` values.
    """
    if len(data) < min(MAX_DEPTH, most):
        return  # most payloads: too short to be too deep, or to have too many values
    if _opened(data) <= MAX_DEPTH and _values(data) <= most:
        return  # even if all of these signs stood outside of strings
    bare = _without_strings(data, field, most)
    if _values(bare) > most:
        raise _too_many(field, most)
    if _opened(bare) > MAX_DEPTH and _depth(bare) > MAX_DEPTH:
        raise InvalidInput(f"{field} is nested more than {MAX_DEPTH} levels deep")


def _values(data: bytes) -> int:
    return _opened(data) + data.count(b",") + data.count(b":") + 1


def _opened(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{")


def _without_strings(data: bytes, field: str, most: int) -> bytes:
    """Return the text outside of strings: escaped characters go first, then every second part between quotes."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if data.count(b'"') > 2 * most:
        raise _too_many(field, most)
    return b"".join(data.split(b'"')[::2])


def _depth(bare: bytes) -> int:
    return max(accumulate(map(_STEPS.__getitem__, bare.translate(None, _OTHERS))))


def _too_many(field: str, most: int) -> InvalidInput:
    return InvalidInput(f"{field} has more than {most} values; divide it, or send it as a text")
