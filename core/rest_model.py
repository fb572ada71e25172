"""Base models of REST bodies: camelCase in JSON, snake_case in Python, unknown members refused.

They are also what the OpenAPI document is generated from.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from core.json_text import TEXT, JsonText, Shape, merged, with_texts
from core.limits import MAX_LIMIT, MAX_NAME, MAX_OFFSET
from core.payload import dump

FIRST_YEAR, LAST_YEAR = 1900, 9998
DEFAULT_LIMIT = 50


class RestModel(BaseModel):
    """A body, a part of one, or a query string."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,  # at the first use: an edition with many plugins starts sooner
    )

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form: camelCase, times in ISO 8601 with ``Z``, ids as text, payloads as ``JsonText``."""
        dumped: dict[str, Any] = with_texts(self.model_dump(mode="json", by_alias=True), shape_of(type(self)))
        return dumped


Text = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
"""A short required text."""


@dataclass(frozen=True, slots=True)
class _IsPayload:
    """Marks a field's type."""


def _payload(value: object) -> JsonText:
    return value if isinstance(value, JsonText) else JsonText(dump(value))


Payload = Annotated[
    JsonText,
    PlainValidator(_payload),
    PlainSerializer(lambda payload: payload.text, return_type=str, when_used="json"),
    WithJsonSchema({"description": "any JSON value; it is kept and shown exactly as it was sent, to the digit"}),
    _IsPayload(),
]
"""Any JSON value, kept as the text that was sent: numbers, spaces, escapes and the order of names stay as they are."""


def _usable(moment: datetime) -> datetime:
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError:
        in_utc = None
    if in_utc is None or not FIRST_YEAR <= in_utc.year <= LAST_YEAR:
        raise ValueError(f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
    return in_utc


Moment = Annotated[AwareDatetime, AfterValidator(_usable)]
"""A moment with its offset from UTC; far enough from the ends of the calendar for every time zone."""


_GREATEST_LIMIT = 1_000_000_000

PageLimit = Annotated[int, Field(ge=1, le=_GREATEST_LIMIT), AfterValidator(lambda limit: min(limit, MAX_LIMIT))]
"""The items of a page; a number above ``MAX_LIMIT`` is cut down to it."""


class PageQuery(RestModel):
    """``limit`` and ``offset`` of a list; a limit above ``MAX_LIMIT`` is cut down to it."""

    limit: PageLimit = DEFAULT_LIMIT
    offset: int = Field(
        default=0, ge=0, le=MAX_OFFSET, description="rows to skip; cursors, where a list has them, go further"
    )


class Page(RestModel):
    """The members that every list has beside its items."""

    total: int
    limit: int
    offset: int


class ErrorBody(RestModel):
    """Every answer that is no success."""

    error: str = Field(description="what happened, on what, and what to do")
    code: str = Field(description="stable, for programs: the codes of core.errors")


def needs_body(model: type[BaseModel]) -> bool:
    """Whether a body must say something; one in which nothing is required may be left out."""
    return any(field.is_required() for field in model.model_fields.values())


@cache
def shape_of(model: type[BaseModel]) -> Shape:
    """Return where payloads stand in a model's JSON form: in members, in further models, in lists and maps of them."""
    members: dict[str, Shape] = {}
    for name, field in model.model_fields.items():
        shape = _shape(field.annotation, field.metadata)
        if shape is not None:
            members |= dict.fromkeys({name, field.alias or name}, shape)
    return Shape(members=members)


def _shape(annotation: Any, metadata: Sequence[object] = ()) -> Shape | None:
    """Return the shape of a type; None where it holds no payload."""
    if any(isinstance(each, _IsPayload) for each in metadata):
        return TEXT
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        found = shape_of(annotation)
        return found if found.has_text else None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shape(arguments[0], arguments[1:])
    inner = [shape for each in arguments if (shape := _shape(each)) is not None]
    if origin in {Union, types.UnionType}:
        return merged(inner)
    return Shape(each=inner[-1]) if inner else None
