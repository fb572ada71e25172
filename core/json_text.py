"""JSON documents of which some parts stay text, exactly as they were sent, while the rest is parsed.

Payloads belong to workers and clients: ``1.10``, ``1e2`` and ``12345678901234567890.123`` must come back as they were
written, which Python's numbers cannot promise. So the parts of a body that are payloads are found, checked and kept as
text, and answers embed the stored text.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

from core.errors import InvalidInput
from core.limits import MAX_BODY_MEMBERS
from core.payload import Json, check_halves, decoder
from core.text import flaw

_spaces = re.compile(r"[ \t\n\r]*").match


class JsonText:
    """A valid JSON document that is written into a larger one as it stands."""

    __slots__ = ("text",)  # no dataclass: pydantic takes those apart

    def __init__(self, text: Json) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JsonText) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"JsonText({self.text!r})"


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


def merged(shapes: Sequence[Shape]) -> Shape | None:
    """Return the shape of a value that has one of several shapes; None where there are none."""
    if not shapes:
        return None
    return Shape(
        is_text=any(each.is_text for each in shapes),
        members={name: shape for each in shapes for name, shape in each.members.items()},
        each=next((each.each for each in shapes if each.each is not None), None),
    )


def read(text: str, shape: Shape) -> Any:
    """Return the value of a JSON document, with ``JsonText`` where the shape says so.

    Raises:
        ValueError: it is not valid JSON, or holds a number out of range.
        InvalidInput: it holds too many values beside its payloads.
        RecursionError: it is nested too deeply.
    """
    return _Reader(text).document(shape)


def with_texts(value: Any, shape: Shape) -> Any:
    """Return a value whose parts that the shape names, given as texts, are ``JsonText``."""
    if value is None:
        return None
    if shape.is_text:
        return JsonText(value)
    if isinstance(value, dict):
        for name, member in value.items():
            inner = shape.members.get(name, shape.each)
            if inner is not None:
                value[name] = with_texts(member, inner)
    elif isinstance(value, list) and shape.each is not None:
        return [with_texts(each, shape.each) for each in value]
    return value


def members(document: Json) -> dict[str, Json]:
    """Return the members of a JSON object as they stand in it; of equal names, the last counts.

    Raises:
        ValueError: it is no JSON object.
        InvalidInput: it has too many members.
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
    mark = secrets.token_hex(16)  # no sender can know it, so no text can contain it

    def embed(found: object) -> str:
        if not isinstance(found, JsonText):
            raise TypeError(f"{type(found).__name__} is no value of JSON")
        texts.append(found.text)
        return mark

    written = json.dumps(value, ensure_ascii=False, default=embed)
    if texts:
        written = "".join(chain.from_iterable(zip_longest(written.split(f'"{mark}"'), texts, fillvalue="")))
    return written.encode(errors="replace")


def check_texts(value: Any, name: str) -> None:
    """Return when every text in ``value``, called ``name``, can be stored: JSON can spell others with escapes.

    In a payload, a NUL character is fine: there it stays an escape.

    Raises:
        InvalidInput: one cannot; the error names its place.
    """
    open_values = [(value, name)]
    while open_values:
        found, place = open_values.pop()
        if isinstance(found, JsonText):
            check_halves(found.text, place)
        elif isinstance(found, str):
            _check_text(found, place)
        elif isinstance(found, dict):
            for key in found:
                _check_text(key, f"a name in {place}")
            open_values += [(member, f"{place}.{key}") for key, member in found.items()]
        elif isinstance(found, list):
            open_values += [(each, place) for each in found]


def _check_text(text: str, place: str) -> None:
    if problem := flaw(text):
        raise InvalidInput(f"{place} {problem}")


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._left = MAX_BODY_MEMBERS
        """How many more members and elements may be looked at one by one, which those beside payloads are."""
        self._parsed = decoder(text).raw_decode  # the value that begins at a place, and where it ends

    def document(self, shape: Shape) -> Any:
        value, end = self._value(self._space(0), shape if shape.has_text else None)
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
        while True:
            self._count()
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

    def _array(self, at: int, each: Shape) -> tuple[list[Any], int]:
        found: list[Any] = []
        at = self._space(at + 1)
        if self._text.startswith("]", at):
            return found, at + 1
        while True:
            self._count()
            value, at = self._value(at, each)
            found.append(value)
            at = self._space(at)
            if self._text.startswith("]", at):
                return found, at + 1
            self._expect(",", at)
            at = self._space(at + 1)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise InvalidInput(f"the body has more than {MAX_BODY_MEMBERS} values outside of payloads")

    def _space(self, at: int) -> int:
        found = _spaces(self._text, at)
        assert found is not None  # it matches nothing, too
        return found.end()

    def _expect(self, sign: str, at: int) -> None:
        if not self._text.startswith(sign, at):
            raise ValueError(f"{sign} is missing at character {at}")
