"""Turns rows into the columns that ``unnest`` takes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from core.domain.claim import Claim


def columns(rows: Sequence[object], *names: str) -> dict[str, list[Any]]:
    """Return one list per attribute name, in the order of ``rows``."""
    return {name: [value(row) for row in rows] for name, value in ((name, attrgetter(name)) for name in names)}


def claim_columns(claims: Sequence[Claim | None]) -> dict[str, list[Any]]:
    """Return the columns that a claim fills; None stands for pending work."""
    return {
        "claim_id": [claim and claim.id for claim in claims],
        "worker_id": [claim and claim.worker_id for claim in claims],
        "held_by": [claim and claim.held_by for claim in claims],
        "claimed_by": [claim and claim.process for claim in claims],
    }
