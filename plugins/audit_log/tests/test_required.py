"""``required`` mode: no effect without its record."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import grpc
import psycopg
import pytest

from plugins.audit_log import audit_pb2 as pb
from plugins.audit_log.domain import Kind
from plugins.audit_log.tests.auditing import (
    BASE,
    USER_KEY,
    audit_stub,
    auditing,
    events_of,
    plugin_of,
    poll,
    recorder_of,
    start,
    stored,
    tamper,
)
from plugins.audit_log.verifier import verify
from tests.support.repetitions import times
from tests.support.running import TENANT, Client, bearer

REFUSE = "ALTER TABLE p_audit_log__events ADD CONSTRAINT no_more CHECK (false) NOT VALID"
ALLOW = "ALTER TABLE p_audit_log__events DROP CONSTRAINT no_more"


async def _runs(client: Client) -> int:
    async with client.pool.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM workflow_execution")).fetchone()
    assert row is not None
    return int(row[0])


async def test_the_attempt_comes_first_and_the_outcome_after(database: str) -> None:
    """Both are committed when the caller has the answer, and share the call's id; the attempt is shown as it ended."""
    async with auditing(database, mode="required", flush_interval=60) as client:
        await start(client)
        attempt, outcome = await events_of(client).walk(TENANT, 0, 100, 100)
        assert (attempt.kind, outcome.kind) == (Kind.ATTEMPT, Kind.OUTCOME)
        assert attempt.call_id == outcome.call_id
        assert (attempt.code, attempt.duration_us, outcome.code) == (None, None, "ok")
        shown = await events_of(client).get(TENANT, attempt.sequence)
        assert shown is not None
        assert shown.outcome == "ok"


async def test_without_a_record_there_is_no_effect(database: str) -> None:
    """A database that refuses the record refuses the call: 14 UNAVAILABLE, and no workflow is there; later it works."""
    async with auditing(database, mode="required") as client:
        await tamper(database, REFUSE)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await start(client)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "nothing was done" in str(refused.value.details())
        put = await client.rest("PUT", f"{BASE}/retention", {"keepDays": 1}, key=USER_KEY)
        assert (put.status_code, put.json["code"]) == (503, "unavailable")
        async with client.pool.connection() as connection:
            assert await (await connection.execute("SELECT FROM p_audit_log__retention")).fetchall() == []
        assert await _runs(client) == 0
        await tamper(database, ALLOW)
        await start(client)
        assert await _runs(client) == 1


async def test_looks_and_polls_need_no_record(database: str) -> None:
    """Calls that change nothing succeed without the log."""
    async with auditing(database, mode="required") as client:
        await tamper(database, REFUSE)
        await poll(client)


async def test_a_server_that_dies_in_between_leaves_the_attempt(database: str) -> None:
    """The attempt is there with the outcome ``unknown``, can be searched for, and the chain is whole."""
    async with auditing(database, mode="required") as client:
        observer = plugin_of(client)._parts.observer
        observer.after = _killed
        await start(client)
        page = await client.rest("GET", f"{BASE}/events", params={"code": "unknown"}, key=USER_KEY)
        operations = [
            (each["operation"].rpartition("/")[2], each["kind"], each["code"]) for each in page.json["events"]
        ]
        assert ("StartWorkflow", "attempt", "unknown") in operations
        assert (await verify(events_of(client), TENANT, None, 1000)).complete


async def _keep(client: Client) -> None:
    """Make a call that changes something, and whose handler a test can replace."""
    await audit_stub(client).SetRetention(pb.SetRetentionRequest(keep_days=7), metadata=bearer(USER_KEY))


async def _killed(*_: Any) -> None:
    """Never record how a call ended."""


async def test_a_caller_that_leaves_is_recorded_as_cancelled(database: str) -> None:
    """The handler was interrupted: the outcome says so."""
    async with auditing(database, mode="required") as client:
        held = asyncio.Event()

        async def never(*_: Any) -> Any:
            held.set()
            await asyncio.Event().wait()

        plugin_of(client)._parts.service.set_retention = never
        call = asyncio.create_task(_keep(client))
        await held.wait()
        call.cancel()
        await asyncio.wait([call])
        async with asyncio.timeout(30):
            while len(events := await stored(client)) < 2:
                pass  # the look itself waits
        assert [(each.kind, each.code) for each in events] == [("attempt", None), ("outcome", "cancelled")]


async def test_an_outcome_that_cannot_be_written_is_written_later(database: str) -> None:
    """The call has happened and is answered; its outcome waits in the queue."""
    async with auditing(database, mode="required", flush_interval=60) as client:
        service = plugin_of(client)._parts.service
        original = service.set_retention

        async def set_and_break(*arguments: Any) -> Any:
            made = await original(*arguments)
            await tamper(database, REFUSE)
            return made

        service.set_retention = set_and_break
        await _keep(client)
        assert recorder_of(client).status().queued == 1
        await tamper(database, ALLOW)
        assert [(each.kind, each.code) for each in await stored(client)] == [("attempt", None), ("outcome", "ok")]


async def test_refusals_are_recorded_without_an_attempt(database: str) -> None:
    """A refused call has no attempt."""
    async with auditing(database, mode="required") as client:
        await client.rest("POST", "/api/v1/tenants", {"name": "A", "slug": "a"}, key=USER_KEY)
        assert [(each.kind, each.code) for each in await stored(client)] == [("call", "permission_denied")]


async def test_many_at_once_make_one_whole_chain(database: str) -> None:
    """Concurrent calls of two servers: two events each, numbers contiguous, the chain whole."""
    calls = times(40, 1000)
    async with auditing(database, mode="required") as one, auditing(database, mode="required") as other:
        await asyncio.gather(*(start(client) for client in (one, other) for _ in range(calls)))
        events = await stored(one)
        assert [each.sequence for each in events] == list(range(1, 4 * calls + 1))
        assert set(Counter(each.call_id for each in events).values()) == {2}
        assert (await verify(events_of(one), TENANT, None, 10**6)).complete
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM workflow_execution").fetchone() == (2 * calls,)
