"""JSON documents of which some parts stay text, exactly as they were sent, while the rest is parsed.

Payloads belong to workers and clients: ``1.10``, ``1e2`` and ``12345678901234567890.123`` must come back as they were
written, which Python's numbers cannot promise. So the parts of a body that are payloads are found, checked and kept as
text, and answers embed the stored text.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

from core.domain.payload import MAYBE_HALF, Json, decoder, half_character
from core.domain.text import flaw

MAX_MEMBERS = 1000
"""Members of an object, or elements of an array, of which some are payloads: these are looked at one by one."""

_spaces = re.compile(r"[ \t\n\r]*").match


@dataclass(frozen=True, slots=True)
class JsonText:
    """A valid JSON document that is written into a larger one as it stands."""

    text: Json


@dataclass(frozen=True, slots=True)
class Shape:
    """Which parts of a value stay text.

    Attributes:
        is_text: the value itself does.
        members: the shapes of an object's members, by name.
        each: the shape of an array's elements, and of those members that have none of their own.
    """

    is_text: bool = False
    members: Mapping[str, Shape] = field(default_factory=dict)
    each: Shape | None = None

    @property
    def has_text(self) -> bool:
        """Whether anything stays text."""
        return self.is_text or bool(self.members) or self.each is not None


TEXT = Shape(is_text=True)


def read(text: str, shape: Shape) -> Any:
    """Return the value of a JSON document, with ``JsonText`` where the shape says so.

    Raises:
        ValueError: it is not valid JSON, holds a number out of range, or too many members where payloads stand.
        RecursionError: it is nested too deeply.
    """
    return _Reader(text).document(shape)


def members(document: Json) -> dict[str, Json]:
    """Return the members of a JSON object as they stand in it; of equal names, the last counts.

    Raises:
        ValueError: it is no JSON object, or has too many members.
        RecursionError: it is nested too deeply.
    """
    found = read(document, Shape(each=TEXT))
    if not isinstance(found, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - the text is wrong, not the call
    return {name: value.text for name, value in found.items()}


def write(value: Any) -> bytes:
    """Return a value as JSON in UTF-8, with each ``JsonText`` in it as it stands; it never fails for a text.

    Raises:
        TypeError: something in it is no value of JSON.
    """
    texts: list[str] = []
    mark = secrets.token_hex(16)  # nobody can know it, so no text can hold it

    def embed(found: object) -> str:
        if not isinstance(found, JsonText):
            raise TypeError(f"{type(found).__name__} is no value of JSON")
        texts.append(found.text)
        return mark

    written = json.dumps(value, ensure_ascii=False, default=embed)
    if texts:
        written = "".join(chain.from_iterable(zip_longest(written.split(f'"{mark}"'), texts, fillvalue="")))
    return written.encode(errors="replace")


def flawed(value: Any, name: str) -> str | None:
    """Return a sentence about a text in ``value``, called ``name``, that cannot be stored; None where there is none.

    JSON can spell such a text with an escape. In a payload, a NUL character is fine: it stays an escape.
    """
    open_values = [(value, name)]
    while open_values:
        found, place = open_values.pop()
        if isinstance(found, str):
            if problem := flaw(found):
                return f"{place} {problem}"
        elif isinstance(found, JsonText):
            if MAYBE_HALF.search(found.text) and (half := half_character(json.loads(found.text), place)):
                return f"{half} {flaw(HALF)}"
        elif isinstance(found, dict):
            if problem := next(filter(None, map(flaw, found)), None):
                return f"a name in {place} {problem}"
            open_values += [(member, f"{place}.{key}") for key, member in found.items()]
        elif isinstance(found, list):
            open_values += [(each, place) for each in found]
    return None


HALF = "\ud800"


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._parsed = decoder(text).raw_decode  # the value that begins at a place, and where it ends

    def document(self, shape: Shape) -> Any:
        value, end = self._value(self._space(0), shape)
        if self._space(end) != len(self._text):
            raise ValueError(f"extra data at character {end}")
        return value

    def _value(self, at: int, shape: Shape | None) -> tuple[Any, int]:
        if shape is not None and not shape.is_text:
            if self._text.startswith("{", at):
                return self._object(at, shape)
            if self._text.startswith("[", at) and shape.each is not None:
                return self._array(at, shape.each)
        value, end = self._parsed(self._text, at)
        if shape is not None and shape.is_text:
            return JsonText(Json(self._text[at:end])), end
        return value, end

    def _object(self, at: int, shape: Shape) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        at = self._space(at + 1)
        if self._text.startswith("}", at):
            return found, at + 1
        for _ in range(MAX_MEMBERS):
            self._expect('"', at)
            name, at = self._parsed(self._text, at)
            at = self._space(at)
            self._expect(":", at)
            found[name], at = self._value(self._space(at + 1), shape.members.get(name, shape.each))
            at = self._space(at)
            if self._text.startswith("}", at):
                return found, at + 1
            self._expect(",", at)
            at = self._space(at + 1)
        raise ValueError(f"an object has more than {MAX_MEMBERS} members")

    def _array(self, at: int, each: Shape) -> tuple[list[Any], int]:
        found: list[Any] = []
        at = self._space(at + 1)
        if self._text.startswith("]", at):
            return found, at + 1
        for _ in range(MAX_MEMBERS):
            value, at = self._value(at, each)
            found.append(value)
            at = self._space(at)
            if self._text.startswith("]", at):
                return found, at + 1
            self._expect(",", at)
            at = self._space(at + 1)
        raise ValueError(f"an array has more than {MAX_MEMBERS} elements")

    def _space(self, at: int) -> int:
        found = _spaces(self._text, at)
        assert found is not None  # it matches nothing, too
        return found.end()

    def _expect(self, sign: str, at: int) -> None:
        if not self._text.startswith(sign, at):
            raise ValueError(f"{sign} is missing at character {at}")
