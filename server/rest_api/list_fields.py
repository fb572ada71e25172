"""Parameters of lists: several values in one, and beginnings of ids."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field

_HEX_DIGITS = 32


def _several(value: Any) -> Any:
    """Return the values of a parameter that is repeated, or whose text has commas."""
    texts = value if isinstance(value, list) else [value]
    return [part for text in texts for part in (text.split(",") if isinstance(text, str) else [text])]


Several = BeforeValidator(_several)
"""Marks a list of values, which a query string has as ``a=1,2`` or as ``a=1&a=2``."""


class View(StrEnum):
    """How much a list tells of each of its items: all of it, or a summary without inputs and outputs."""

    FULL = "full"
    SUMMARY = "summary"


def _digits(prefix: str) -> str:
    digits = prefix.replace("-", "").lower()
    if len(digits) > _HEX_DIGITS:
        raise ValueError(f"an id has {_HEX_DIGITS} hexadecimal digits")
    return digits


IdPrefix = Annotated[
    str,
    Field(pattern=r"^[0-9A-Fa-f-]{1,36}$", description="the first characters of an id, with or without hyphens"),
    AfterValidator(_digits),
]


def ids_from(prefix: str) -> tuple[UUID, UUID]:
    """Return the first and the last id that begin with these hexadecimal digits."""
    return UUID(prefix.ljust(_HEX_DIGITS, "0")), UUID(prefix.ljust(_HEX_DIGITS, "f"))
