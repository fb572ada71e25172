"""Turns rows into the columns that ``unnest`` takes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any


def columns(rows: Sequence[object], *names: str) -> dict[str, list[Any]]:
    """Return one list per attribute name, in the order of ``rows``."""
    return {name: [value(row) for row in rows] for name, value in ((name, attrgetter(name)) for name in names)}
