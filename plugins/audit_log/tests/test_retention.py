"""Old events go, the chain stays verifiable."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from plugins.audit_log import pruner as pruner_module
from plugins.audit_log.domain import SERVER_CHAIN
from plugins.audit_log.pruner import Pruner
from plugins.audit_log.repository import RetentionRepository
from plugins.audit_log.tests.auditing import (
    BASE,
    OTHER_USER_KEY,
    USER_KEY,
    auditing,
    draft,
    events_of,
    stored,
    tamper,
)
from plugins.audit_log.verifier import ChainProblem, verify
from tests.support.running import OTHER_TENANT, TENANT, Client

FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
"""Out of reach of the server's own pruner, which goes by the machine's time."""


class _Clock:
    """Tells the time that the test decides."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def _pruner(client: Client, at: datetime) -> Pruner:
    return Pruner(RetentionRepository(client.pool), _Clock(at), 1, logging.getLogger("plugins.audit_log"))


async def _days(client: Client, days: int, **more: object) -> None:
    """Append one event per day."""
    await events_of(client).append(
        [draft(number, at=FUTURE + timedelta(days=number), **more) for number in range(days)]
    )


async def test_events_past_their_time_go_and_the_rest_is_whole(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches; numbers go on, the chain is verified from where the kept part begins, and grows."""
    monkeypatch.setattr(pruner_module, "BATCH", 3)
    async with auditing(database) as client:
        await _days(client, 20)
        await RetentionRepository(client.pool).set(TENANT, 10, "ada")
        assert await _pruner(client, FUTURE + timedelta(days=18)).prune() == 8
        assert [each.sequence for each in await stored(client)] == list(range(9, 21))
        verdict = await verify(events_of(client), TENANT, None, 1000)
        assert (verdict.complete, verdict.first, verdict.verified_to) == (True, 9, 20)
        assert await _pruner(client, FUTURE + timedelta(days=18)).prune() == 0
        await _days(client, 1)
        assert (await verify(events_of(client), TENANT, None, 1000)).verified_to == 21


async def test_everything_may_go(database: str) -> None:
    """A chain whose events are all past their time keeps its head, and the next number."""
    async with auditing(database) as client:
        await _days(client, 5)
        await RetentionRepository(client.pool).set(TENANT, 1, "ada")
        assert await _pruner(client, FUTURE + timedelta(days=400)).prune() == 5
        assert (await verify(events_of(client), TENANT, None, 1000)).complete
        assert await events_of(client).append([draft()]) == [6]
        assert (await verify(events_of(client), TENANT, None, 1000)).complete


async def test_without_retention_events_stay_for_ever(database: str) -> None:
    """A tenant that has said nothing, or null, keeps all; the server's chain has a retention of its own."""
    async with auditing(database) as client:
        retention = RetentionRepository(client.pool)
        for tenant_id in (TENANT, OTHER_TENANT, SERVER_CHAIN):
            await _days(client, 3, tenant_id=tenant_id)
        await retention.set(TENANT, None, "ada")
        await retention.set(SERVER_CHAIN, 1, "operator")
        assert await _pruner(client, FUTURE + timedelta(days=400)).prune() == 3
        assert [len(await stored(client, each)) for each in (TENANT, OTHER_TENANT, SERVER_CHAIN)] == [3, 3, 0]


async def test_a_late_event_before_younger_ones_waits_for_them(database: str) -> None:
    """Only the oldest numbers go: a chain has no holes."""
    async with auditing(database) as client:
        events = events_of(client)
        await events.append([draft(at=FUTURE), draft(at=FUTURE + timedelta(days=30)), draft(at=FUTURE)])
        await RetentionRepository(client.pool).set(TENANT, 10, "ada")
        assert await _pruner(client, FUTURE + timedelta(days=35)).prune() == 1
        assert (await verify(events, TENANT, None, 1000)).complete


async def test_tampering_with_the_kept_part_is_still_found(database: str) -> None:
    """Pruning is no way to hide a change: the first kept event must follow what went."""
    async with auditing(database) as client:
        await _days(client, 10)
        await RetentionRepository(client.pool).set(TENANT, 5, "ada")
        await _pruner(client, FUTURE + timedelta(days=10)).prune()
        await tamper(database, "DELETE FROM p_audit_log__events WHERE sequence = 6")
        verdict = await verify(events_of(client), TENANT, None, 1000)
        assert (verdict.problem, verdict.broken_at) == (ChainProblem.MISSING, 6)


async def test_a_tenant_sets_its_own_retention(database: str) -> None:
    """Over REST: null at first; set, shown with principal and time, and removed; other tenants' stay."""
    async with auditing(database) as client:
        path = f"{BASE}/retention"
        nothing = {"keepDays": None, "changedAt": None, "changedBy": None}
        assert (await client.rest("GET", path, key=USER_KEY)).json == nothing
        put = await client.rest("PUT", path, {"keepDays": 30}, key=USER_KEY)
        assert (put.json["keepDays"], put.json["changedBy"]) == (30, "ada")
        assert put.json["changedAt"].endswith("Z")
        assert (await client.rest("GET", path, key=USER_KEY)).json == put.json
        assert (await client.rest("GET", path, key=OTHER_USER_KEY)).json == nothing
        assert (await client.rest("PUT", path, {"keepDays": None}, key=USER_KEY)).json["keepDays"] is None
        for wrong in ({"keepDays": 0}, {"keepDays": 36_501}, {"keepDays": "x"}, {"keepDays": 1.5}, {}, {"days": 1}):
            assert (await client.rest("PUT", path, wrong, key=USER_KEY)).status_code == 400


async def test_the_service_prunes_by_itself(database: str) -> None:
    """One process of the deployment does; the events are of a time long past."""
    async with auditing(database) as client:
        await events_of(client).append([draft(number) for number in range(3)])
        await RetentionRepository(client.pool).set(TENANT, 1, "ada")
    async with auditing(database) as client:
        pruned = False
        while not pruned:
            pruned = not await stored(client)
        assert (await verify(events_of(client), TENANT, None, 1000)).first == 4
