"""Turns rows into the columns that ``unnest`` takes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from server.domain.claim import Claim

SEPARATOR = "\x1f"
"""Between texts that are joined; no poll can send it in a name."""


def columns(rows: Sequence[object], *names: str) -> dict[str, list[Any]]:
    """Return one list per attribute name, in the order of ``rows``."""
    return {name: [value(row) for row in rows] for name, value in ((name, attrgetter(name)) for name in names)}


def claim_columns(claims: Sequence[Claim | None]) -> dict[str, Any]:
    """Return the columns that a claim fills; None stands for pending work.

    Every poll sends them, and most polls find nothing: a joined text is made many times faster than an array. SQL takes
    it apart with ``string_to_array`` and reads an empty part as NULL.
    """
    return {
        "claim_id": SEPARATOR.join([str(claim.id) if claim else "" for claim in claims]),
        "worker_id": [claim and claim.worker_id for claim in claims],
        "held_by": SEPARATOR.join([_joinable(claim.held_by) if claim else "" for claim in claims]),
        "claimed_by": SEPARATOR.join([str(claim.process or "") if claim else "" for claim in claims]),
    }


def _joinable(text: str | None) -> str:
    return (text or "").replace(SEPARATOR, " ")
