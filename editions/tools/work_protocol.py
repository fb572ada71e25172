"""Reads and writes the messages of Bazel and a persistent worker: those of ``blaze.worker``, each behind its length.

By hand, because a library for messages takes longer to import than most actions take to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

_ARGUMENTS = 1  # of WorkRequest
_EXIT_CODE, _OUTPUT = 1, 2  # of WorkResponse
_REQUEST_ID = 3  # of both
_VARINT, _LONG, _BYTES, _INT = 0, 1, 2, 5
_FIXED = {_LONG: 8, _INT: 4}
_MORE = 0x80


def requests(stream: BinaryIO) -> Iterator[tuple[list[str], int]]:
    """Yield the arguments and the id of each request, until the stream ends.

    The other fields tell what Bazel itself needs: the digests of the inputs, and how much to print.
    """
    while (size := _read_number(stream)) is not None:
        fields = list(_fields(stream.read(size)))
        arguments = [value.decode() for number, value in fields if number == _ARGUMENTS and isinstance(value, bytes)]
        ids = [value for number, value in fields if number == _REQUEST_ID and isinstance(value, int)]
        yield arguments, ids[0] if ids else 0


def response(code: int, output: bytes, request: int) -> bytes:
    """Return the answer to a request: the exit code, and what was printed."""
    text = output.decode("utf-8", "replace").encode()
    printed = _key(_OUTPUT, _BYTES) + number(len(text)) + text
    message = _key(_EXIT_CODE, _VARINT) + number(code) + printed + _key(_REQUEST_ID, _VARINT) + number(request)
    return number(len(message)) + message


def number(value: int) -> bytes:
    """Return a number as it stands in messages, and in front of them."""
    out = bytearray()
    while value >= _MORE:
        out.append(value % _MORE | _MORE)
        value //= _MORE
    return bytes([*out, value])


def _key(field: int, kind: int) -> bytes:
    return number(field << 3 | kind)


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield number and value of each field."""
    place = 0
    while place < len(message):
        key, place = _number_at(message, place)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _number_at(message, place)
            yield field, value
            continue
        length, place = (_FIXED[kind], place) if kind in _FIXED else _number_at(message, place)
        yield field, message[place : place + length]
        place += length


def _number_at(message: bytes, place: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    end = place
    while message[end] >= _MORE:
        end += 1
    return _value(message[place : end + 1]), end + 1


def _read_number(stream: BinaryIO) -> int | None:
    """The number that the stream goes on with, or None at its end."""
    digits = stream.read(1)
    while digits and digits[-1] >= _MORE:
        digits += stream.read(1)
    return _value(digits) if digits else None


def _value(digits: bytes) -> int:
    return sum(digit % _MORE << 7 * place for place, digit in enumerate(digits))
