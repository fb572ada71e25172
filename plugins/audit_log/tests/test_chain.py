"""Every kind of tampering is found, and nothing else is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from core.errors import InvalidInput, Unavailable
from plugins.audit_log import verifier
from plugins.audit_log.domain import NO_HASH, ChainedEvent, Head, digest
from plugins.audit_log.repository import EventRepository, RetentionRepository
from plugins.audit_log.tests.auditing import T0, auditing, draft, events_of, start, stored, tamper
from plugins.audit_log.verifier import ChainProblem, verify
from tests.support.repetitions import times
from tests.support.running import OTHER_TENANT, TENANT, Client

EVENTS = 12


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A server with a chain of twelve events for one tenant, and three for another."""
    async with auditing(database) as client:
        events = events_of(client)
        await events.append([draft(number) for number in range(EVENTS)])
        await events.append([draft(number, tenant_id=OTHER_TENANT) for number in range(3)])
        yield client


EDIT = """
    UPDATE p_audit_log__events SET {}
    WHERE tenant_id = (SELECT id FROM tenant WHERE slug = 'test') AND sequence = {}
"""
CUT = """
    DELETE FROM p_audit_log__events WHERE tenant_id = (SELECT id FROM tenant WHERE slug = 'test') AND sequence {}
"""
HEAD = "UPDATE p_audit_log__chains SET {} WHERE tenant_id = (SELECT id FROM tenant WHERE slug = 'test')"
COPY = """
    INSERT INTO p_audit_log__events
    SELECT
        tenant_id, {}, kind, gen_random_uuid(), at, request_id, protocol, operation, action, resource, resource_id,
        principal_type, principal_id, peer, code, duration_us, previous_hash, hash
    FROM p_audit_log__events
    WHERE tenant_id = (SELECT id FROM tenant WHERE slug = 'test') AND sequence = {}
"""
TAKE = """
    UPDATE p_audit_log__events SET tenant_id = (SELECT id FROM tenant WHERE slug = 'test')
    WHERE tenant_id = (SELECT id FROM tenant WHERE slug = 'other') AND sequence = {}
"""
LOSE_HEAD = "DELETE FROM p_audit_log__chains WHERE tenant_id = (SELECT id FROM tenant WHERE slug = 'test')"

TAMPERINGS: dict[str, tuple[list[str], ChainProblem, int | None]] = {
    "a field": ([EDIT.format("principal_id = 'bob'", 5)], ChainProblem.ALTERED, 5),
    "an outcome": ([EDIT.format("code = 'permission_denied'", 1)], ChainProblem.ALTERED, 1),
    "a time": ([EDIT.format("at = at + interval '1 microsecond'", 12)], ChainProblem.ALTERED, 12),
    "an absent field": ([EDIT.format("peer = NULL", 3)], ChainProblem.ALTERED, 3),
    "a hash": ([EDIT.format("hash = sha256('x')", 7)], ChainProblem.ALTERED, 7),
    "the hash before": ([EDIT.format("previous_hash = sha256('x')", 7)], ChainProblem.ALTERED, 7),
    "one is gone": ([CUT.format("= 4")], ChainProblem.MISSING, 4),
    "the first is gone": ([CUT.format("= 1")], ChainProblem.MISSING, 1),
    "some are gone": ([CUT.format("IN (6, 7, 8)")], ChainProblem.MISSING, 6),
    "the tail is gone": ([CUT.format("> 9")], ChainProblem.TRUNCATED, 10),
    "all are gone": ([CUT.format("> 0")], ChainProblem.TRUNCATED, 1),
    "the tail is gone and the number follows": (
        [CUT.format("> 9"), HEAD.format("last_sequence = 9")], ChainProblem.HEAD, 9
    ),
    "one was put in": (
        [EDIT.format("sequence = -sequence", 5), COPY.format(5, 6), CUT.format("< 0")], ChainProblem.ALTERED, 5
    ),
    "one was put behind the end": ([COPY.format(13, 12)], ChainProblem.OVERRUN, 13),
    "one was put before the beginning": ([COPY.format(0, 1)], ChainProblem.OVERRUN, None),
    "two changed places": (
        [EDIT.format("sequence = -3", 3), EDIT.format("sequence = 3", 4), EDIT.format("sequence = 4", -3)],
        ChainProblem.ALTERED,
        3,
    ),
    "the head": ([HEAD.format("last_hash = sha256('x')")], ChainProblem.HEAD, 12),
    "the head is gone": (["DELETE FROM p_audit_log__chains"], ChainProblem.HEAD, None),
    "the beginning": ([HEAD.format("first_previous_hash = sha256('x')")], ChainProblem.DETACHED, 1),
    "the beginning was moved": ([HEAD.format("first_sequence = 4")], ChainProblem.OVERRUN, None),
    "the other tenant's": ([CUT.format("= 2"), TAKE.format(2)], ChainProblem.ALTERED, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_is_found(name: str, client: Client, database: str) -> None:
    """The first wrong event is named with what is wrong; before, all was well."""
    assert (await verify(events_of(client), TENANT, None, 1000)).complete
    statements, problem, at = TAMPERINGS[name]
    await tamper(database, *statements)
    verdict = await verify(events_of(client), TENANT, None, 1000)
    assert (verdict.problem, verdict.broken_at, verdict.complete) == (problem, at, False)
    if at is not None and problem in {ChainProblem.ALTERED, ChainProblem.MISSING, ChainProblem.TRUNCATED}:
        assert verdict.verified_to == at - 1


async def test_an_event_that_was_replaced_with_a_fitting_hash_is_found(client: Client, database: str) -> None:
    """After a change of one hash, all that follow have to be recomputed."""
    events = events_of(client)
    fourth = (await events.walk(TENANT, 3, 4, 1))[0]
    forged = digest(draft(3, call_id=fourth.call_id, principal_id="bob"), 4, fourth.previous_hash).hex()
    await tamper(database, EDIT.format(rf"principal_id = 'bob', hash = '\x{forged}'", 4))
    verdict = await verify(events, TENANT, None, 1000)
    assert (verdict.problem, verdict.broken_at) == (ChainProblem.DETACHED, 5)


async def test_a_chain_that_was_written_anew_is_found_by_its_anchor(client: Client, database: str) -> None:
    """Nothing inside the database tells it; a head that was kept elsewhere does."""
    events = events_of(client)
    chain = await events.chain(TENANT)
    assert chain is not None
    anchor = chain.head
    await tamper(database, "DELETE FROM p_audit_log__events", "DELETE FROM p_audit_log__chains")
    forger = EventRepository(client.pool)
    await forger.append([draft(number, principal_id="bob") for number in range(EVENTS + 1)])
    assert (await verify(events, TENANT, None, 1000)).complete
    assert (await verify(events, TENANT, None, 1000, anchor)).problem is ChainProblem.ANCHOR
    await tamper(database, "DELETE FROM p_audit_log__events", "DELETE FROM p_audit_log__chains")
    assert (await verify(events, TENANT, None, 1000, anchor)).problem is ChainProblem.ANCHOR


async def test_the_anchor_of_a_whole_chain_fits(client: Client) -> None:
    """A chain that has grown since still has the head that was kept."""
    events = events_of(client)
    chain = await events.chain(TENANT)
    assert chain is not None
    await events.append([draft(99)])
    assert (await verify(events, TENANT, None, 1000, chain.head)).complete


async def test_a_long_chain_is_verified_in_parts(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call looks at no more than it was asked to, and the next goes on behind it."""
    monkeypatch.setattr(verifier, "PAGE", 2)
    events = events_of(client)
    verdict, start_at = await verify(events, TENANT, None, 5), 0
    found = []
    while not verdict.complete:
        assert verdict.problem is None
        start_at = verdict.verified_to + 1
        found.append(verdict.verified_to)
        verdict = await verify(events, TENANT, start_at, 5)
    assert (found, verdict.first, verdict.verified_to) == ([5, 10], 11, EVENTS)
    assert (await verify(events, TENANT, EVENTS + 1, 5)).complete
    with pytest.raises(InvalidInput, match="ends with event 12"):
        await verify(events, TENANT, EVENTS + 2, 5)


async def test_a_tenant_without_calls_has_an_empty_chain(client: Client) -> None:
    """Nothing is wrong with nothing."""
    verdict = await verify(events_of(client), UUID(int=5), None, 10)
    assert (verdict.complete, verdict.head) == (True, Head(0, NO_HASH))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE p_audit_log__events SET code = 'ok'",
        "UPDATE p_audit_log__events SET code = 'ok' WHERE false",
        "DELETE FROM p_audit_log__events WHERE sequence = 12",
        "DELETE FROM p_audit_log__events",
        "TRUNCATE p_audit_log__events",
    ],
)
async def test_the_database_refuses_changes_of_events(statement: str, client: Client, database: str) -> None:
    """Triggers refuse changes of rows, unless they are switched off first."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
            await connection.execute(statement.encode())
    assert (await verify(events_of(client), TENANT, None, 1000)).complete


async def test_a_lost_head_is_not_begun_anew(client: Client, database: str) -> None:
    """Events of that tenant are refused, with what to do; the others' are written."""
    await tamper(database, LOSE_HEAD)
    for events in (events_of(client), EventRepository(client.pool)):
        lost, written = await events.append([draft(50), draft(50, tenant_id=OTHER_TENANT)])
        assert isinstance(lost, Unavailable)
        assert "restore" in str(lost)
        assert isinstance(written, int)
    assert (await verify(events_of(client), OTHER_TENANT, None, 1000)).complete


async def test_writers_of_many_tenants_do_not_wait_in_a_circle(client: Client) -> None:
    """Batches with the same tenants in any order, of several writers, new tenants among them: all chains are whole."""
    tenants = [UUID(int=number) for number in range(1, 9)]
    writers = [EventRepository(client.pool) for _ in range(4)]
    orders = random.Random(7)  # noqa: S311 - an order of a test
    batches = []
    for number in range(times(40, 1000)):
        chosen = orders.sample(tenants, 5)
        batches.append(writers[number % 4].append([draft(number, tenant_id=each) for each in chosen]))
    results = await asyncio.gather(*batches)
    assert all(isinstance(each, int) for result in results for each in result)
    for tenant_id in tenants:
        verdict = await verify(events_of(client), tenant_id, None, 10**6)
        assert verdict.complete


async def test_two_servers_write_one_chain(database: str) -> None:
    """Best effort, one database: numbers contiguous, nothing lost, the chain whole."""
    calls = times(50, 1000)
    async with auditing(database, flush_interval=0.001) as one, auditing(database, flush_interval=0.001) as other:
        await asyncio.gather(*(start(client) for client in (one, other) for _ in range(calls)))
        await stored(other)
        events = await stored(one)
        assert [each.sequence for each in events] == list(range(1, 2 * calls + 1))
        assert (await verify(events_of(one), TENANT, None, 10**6)).complete


async def test_retention_that_moves_on_meanwhile_is_no_tampering(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk whose next events are pruned goes on where the kept part now begins."""
    monkeypatch.setattr(verifier, "PAGE", 2)
    events, retention = events_of(client), RetentionRepository(client.pool)
    original = events.walk
    pages = 0

    async def walk_and_prune(*arguments: Any) -> list[ChainedEvent]:
        nonlocal pages
        pages += 1
        if pages == 3:
            await retention.prune(TENANT, T0.replace(second=8), 1000)
        return await original(*arguments)

    events.walk = walk_and_prune  # type: ignore[method-assign,assignment]
    verdict = await verify(events, TENANT, None, 1000)
    assert (verdict.complete, verdict.first, verdict.verified_to) == (True, 9, EVENTS)
