"""Base models of REST bodies: camelCase in JSON, snake_case in Python, unknown members refused.

They are also what the OpenAPI document is generated from.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from core.limits import MAX_LIMIT, MAX_NAME, MAX_OFFSET

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
        """Return the JSON form: camelCase, times in ISO 8601 with ``Z``, ids as text."""
        return self.model_dump(mode="json", by_alias=True)


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character, which cannot be stored")
    return text


Text = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_storable)]
"""A short required text that the database can store."""


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


class PageQuery(RestModel):
    """``limit`` and ``offset`` of a list; a limit above ``MAX_LIMIT`` is cut down to it."""

    limit: Annotated[int, Field(ge=1, le=MAX_OFFSET), AfterValidator(lambda limit: min(limit, MAX_LIMIT))] = (
        DEFAULT_LIMIT
    )
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)


class Page(RestModel):
    """What every list says of itself; the list's own member stands beside it."""

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
