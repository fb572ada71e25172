"""Doubtful claims end after the grace, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from server.engine.dispatch import doubtful_claims
from server.engine.dispatch.doubtful_claims import DoubtfulClaims, WorkflowClaim

CLAIMS = [((UUID(int=1), UUID(int=number)), f"c{number}") for number in range(3)]


class _Ends:
    """The claims that were ended."""

    def __init__(self) -> None:
        self.ended: list[WorkflowClaim] = []
        self.was_called = asyncio.Event()

    async def end(self, claims: Sequence[WorkflowClaim]) -> None:
        """Record the claims."""
        self.ended += claims
        self.was_called.set()


async def test_a_claim_ends_after_the_grace_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is doubted."""
    monkeypatch.setattr(doubtful_claims, "GRACE_S", 0.01)
    ends = _Ends()
    claims = DoubtfulClaims(ends.end)
    claims.doubt(CLAIMS[0])
    claims.doubt(CLAIMS[0])
    assert ends.ended == []
    await asyncio.wait_for(ends.was_called.wait(), 5)
    await claims.close()
    assert ends.ended == [CLAIMS[0]]


async def test_all_claims_end_when_the_process_stops() -> None:
    """No other process knows of them."""
    ends = _Ends()
    claims = DoubtfulClaims(ends.end)
    for claim in CLAIMS:
        claims.doubt(claim)
    await claims.close()
    assert sorted(ends.ended) == CLAIMS


async def test_memory_is_bounded() -> None:
    """Further claims wait for the end of their lease."""
    ends = _Ends()
    claims = DoubtfulClaims(ends.end, most=1)
    for claim in CLAIMS:
        claims.doubt(claim)
    await claims.close()
    assert ends.ended == CLAIMS[:1]
