"""Turns records into parameters of statements: one list for each column, for ``unnest``."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from server.domain.claim import Claim

SEPARATOR = "\x1f"
"""The separator of joined texts; a name in a poll cannot contain it."""


def columns(rows: Sequence[object], *names: str) -> dict[str, list[Any]]:
    """Return one list for each attribute name, in the order of ``rows``."""
    return {name: [value(row) for row in rows] for name, value in ((name, attrgetter(name)) for name in names)}


def claim_columns(claims: Sequence[Claim | None]) -> dict[str, Any]:
    """Return the columns of claims; None stands for pending work.

    Every poll sends them, and most polls find no work: a joined text is built many times faster than an array. SQL
    splits it by ``string_to_array``, and reads an empty part as NULL.
    """
    return {
        "claim_id": SEPARATOR.join([str(claim.id) if claim else "" for claim in claims]),
        "worker_id": [claim and claim.worker_id for claim in claims],
        "held_by": SEPARATOR.join([_joinable(claim.held_by) if claim else "" for claim in claims]),
        "claimed_by": SEPARATOR.join([str(claim.process or "") if claim else "" for claim in claims]),
    }


def _joinable(text: str | None) -> str:
    return (text or "").replace(SEPARATOR, " ")
