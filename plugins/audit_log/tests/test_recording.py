"""Records of calls in ``best_effort`` mode, and calls that are never recorded."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest

from core.auth import Action, Identity, PrincipalType, Protocol
from core.calls import Call, Outcome
from core.errors import FlovynError, Unavailable
from plugins.audit_log import recorder as recorder_module
from plugins.audit_log.config import AuditLogConfig
from plugins.audit_log.domain import SERVER_CHAIN, EventDraft, Kind
from plugins.audit_log.recorder import Recorder
from plugins.audit_log.tests.auditing import (
    BASE,
    MEMBER_KEY,
    USER_KEY,
    auditing,
    poll,
    recorder_of,
    start,
    stored,
)
from proto.flovyn.v1 import task_pb2, workflow_pb2
from server.observability.metrics import MetricsRegistry
from tests.support.calls import poll_task, submit_task
from tests.support.running import OPERATOR_KEY, OTHER_TENANT, TENANT, WORKER_KEY, bearer


def _told(events: Sequence[Any]) -> list[tuple[str, str | None, str | None]]:
    return [(each.operation, each.principal_id, each.code) for each in events]


async def test_an_event_has_principal_action_address_and_outcome(database: str) -> None:
    """A change over gRPC and one over REST are recorded with every field."""
    async with auditing(database) as client:
        await start(client)
        await client.rest("PUT", f"{BASE}/retention", {"keepDays": 30}, key=USER_KEY)
        one, other = await stored(client)
        assert (one.operation, one.protocol) == ("/flovyn.v1.WorkflowDispatch/StartWorkflow", "grpc")
        assert (one.action, one.resource, one.kind, one.code) == ("execute", "workflow", "call", "ok")
        assert (one.principal_type, one.principal_id, one.peer) == ("Worker", "worker:test", "127.0.0.1")
        assert one.duration_us > 0
        assert (other.operation, other.protocol) == (f"PUT {BASE}/retention", "http")
        assert (other.principal_id, other.action, other.resource) == ("ada", "manage", "audit-log")


async def test_failures_of_changes_are_recorded_with_their_code(database: str) -> None:
    """A change that was refused for its content is an event, too."""
    async with auditing(database) as client:
        request = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k", input=b"no json")
        with pytest.raises(grpc.aio.AioRpcError):
            await client.dispatch.StartWorkflow(request, metadata=bearer())
        assert [each.code for each in await stored(client)] == ["invalid_input"]


async def test_chunks_of_a_task_are_recorded(database: str) -> None:
    """To stream changes what others see: it is recorded as other calls of a task's worker are, without the payload."""
    async with auditing(database) as client:
        task_id = await submit_task(client)
        await poll_task(client)
        request = task_pb2.StreamTaskDataRequest(
            task_execution_id=task_id, type=task_pb2.STREAM_EVENT_TYPE_TOKEN, payload="hunter2"
        )
        await client.tasks.StreamTaskData(request, metadata=bearer())
        last = (await stored(client))[-1]
        assert (last.operation, last.resource_id) == ("/flovyn.v1.TaskExecution/StreamTaskData", task_id)
        assert "hunter2" not in str(last)


async def test_refusals_of_known_callers_stand_in_their_own_chain(database: str) -> None:
    """A call for another tenant is recorded in the chain of the caller's tenant."""
    async with auditing(database) as client:
        request = workflow_pb2.PollRequest(tenant_id=str(OTHER_TENANT))
        with pytest.raises(grpc.aio.AioRpcError):
            await client.dispatch.PollWorkflow(request, metadata=bearer())
        assert (await client.rest("GET", f"{BASE}/events", key=MEMBER_KEY)).status_code == 403
        assert _told(await stored(client)) == [
            ("/flovyn.v1.WorkflowDispatch/PollWorkflow", "worker:test", "permission_denied"),
            (f"GET {BASE}/events", "eve", "permission_denied"),
        ]
        assert await stored(client, OTHER_TENANT) == []


async def test_operators_stand_in_the_chain_of_what_they_touch(database: str) -> None:
    """A new tenant concerns no tenant yet: the server's chain has it."""
    async with auditing(database) as client:
        await client.rest("POST", "/api/v1/tenants", {"name": "A", "slug": "acme"})
        assert _told(await stored(client, SERVER_CHAIN)) == [("POST /api/v1/tenants", "operator:test", "ok")]


@pytest.mark.parametrize("reads", [False, True])
async def test_reads_are_recorded_where_asked_for_and_empty_polls_never(database: str, *, reads: bool) -> None:
    """With ``reads``: a look at something, and a poll that hands out work; never a poll without any."""
    async with auditing(database, reads=reads) as client:
        await poll(client)
        workflow_id = await start(client)
        await poll(client)
        await client.dispatch.GetEvents(
            workflow_pb2.GetEventsRequest(workflow_execution_id=workflow_id), metadata=bearer()
        )
        await client.rest("GET", "/api/v1/tenants/test", key=WORKER_KEY)
        names = [each.operation.rpartition("/")[2] for each in await stored(client)]
        assert names == (["StartWorkflow", "PollWorkflow", "GetEvents", "{slug}"] if reads else ["StartWorkflow"])


async def test_nothing_that_was_sent_is_recorded(database: str) -> None:
    """Neither payloads, nor keys, nor headers are anywhere in the tables."""
    async with auditing(database, reads=True) as client:
        await start(client)
        await poll(client)
        await client.rest("POST", "/api/v1/tenants", {"name": "hunter2", "slug": "x"}, key=OPERATOR_KEY)
        events = [*await stored(client), *await stored(client, SERVER_CHAIN)]
        assert len(events) == 3
        for secret in ("hunter2", WORKER_KEY, OPERATOR_KEY, "Bearer"):
            assert secret not in str(events)


async def test_addresses_can_be_left_out(database: str) -> None:
    """``record_peer = false``."""
    async with auditing(database, record_peer=False) as client:
        await start(client)
        assert [each.peer for each in await stored(client)] == [None]


async def test_waiting_events_are_written_at_shutdown(database: str) -> None:
    """Events in the queue of a stopping server are not lost."""
    async with auditing(database, flush_interval=60) as client:
        for _ in range(5):
            await start(client)
        assert recorder_of(client).status().recorded == 0
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM p_audit_log__events").fetchone() == (5,)


async def test_the_service_writes_by_itself(database: str) -> None:
    """An event is written soon after the call, without a flush."""
    async with auditing(database, flush_interval=0.01) as client:
        await start(client)
        async with asyncio.timeout(30):
            while (await client.rest("GET", f"{BASE}/status")).json["recorded"] < 1:
                pass  # the look itself waits


def _call(identity: Identity | None) -> Call:
    at = datetime.now(UTC)
    return Call(uuid4(), "r", Protocol.GRPC, "/a.B/C", Action.CREATE, "x", identity, None, "192.0.2.1", at)


KNOWN = _call(Identity(PrincipalType.USER, "ada", TENANT))
DONE = Outcome("ok", 0.1)


class Ledger:
    """Stands for the database: takes events, or refuses them as told."""

    def __init__(self) -> None:
        self.taken: list[EventDraft] = []
        self.refuse: Any = lambda _drafts: None

    async def append(self, drafts: Sequence[EventDraft]) -> list[int | FlovynError]:
        error = self.refuse(drafts)
        if error is not None:
            raise error
        self.taken += drafts
        return list(range(len(drafts)))


def _recorder(ledger: Ledger, **settings: Any) -> tuple[Recorder, MetricsRegistry]:
    metrics = MetricsRegistry()
    events: Any = ledger
    made = Recorder(
        events,
        AuditLogConfig(**settings),
        metrics.of("audit_log"),
        logging.getLogger("plugins.audit_log"),
    )
    return made, metrics


async def test_drops_are_counted_and_told_of_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A full queue drops the newest; the count is in the status, the metrics and one line of the log."""
    ledger = Ledger()
    recorder, metrics = _recorder(ledger, queue_size=10)
    now = 0.0
    recorder._clock = lambda: now
    for _ in range(14):
        recorder.offer(KNOWN, DONE, Kind.CALL)
    assert (recorder.status().queued, recorder.status().dropped) == (10, 4)
    assert len(caplog.records) == 1
    now = 60.0
    recorder.offer(KNOWN, DONE, Kind.CALL)
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [1, 4]
    await recorder.flush()
    assert (recorder.status().recorded, recorder.status().queued) == (10, 0)
    assert b"flovyn_audit_log_dropped_total 5.0" in metrics.text()
    assert b"flovyn_audit_log_recorded_total 10.0" in metrics.text()


async def test_events_wait_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is away nothing is lost; afterwards everything is written, in order, once."""
    monkeypatch.setattr(recorder_module, "RETRY_S", 0)
    ledger = Ledger()
    answers = [Unavailable("away"), Unavailable("away"), None]
    ledger.refuse = lambda _drafts: answers.pop(0)
    recorder, _ = _recorder(ledger)
    calls = [dataclasses.replace(KNOWN, id=uuid4()) for _ in range(20)]
    for call in calls:
        recorder.offer(call, DONE, Kind.CALL)
    await recorder.flush()
    assert [each.call_id for each in ledger.taken] == [each.id for each in calls]


async def test_an_event_that_the_database_refuses_takes_no_other_with_it() -> None:
    """Its batch is halved until it is alone; it is dropped and counted, its neighbours are written."""
    ledger = Ledger()
    poison = dataclasses.replace(KNOWN, request_id="poison")
    ledger.refuse = lambda drafts: FlovynError("no") if any(each.request_id == "poison" for each in drafts) else None
    recorder, _ = _recorder(ledger)
    for number in range(20):
        recorder.offer(poison if number == 13 else KNOWN, DONE, Kind.CALL)
    await recorder.flush()
    assert (recorder.status().recorded, recorder.status().dropped) == (19, 1)


async def test_with_concurrent_and_cancelled_flushes_everything_is_written_once() -> None:
    """Two that flush at once share the writing; one that is cancelled in the middle does not tear a batch apart."""
    ledger = Ledger()
    original = ledger.append
    writing, go_on = asyncio.Event(), asyncio.Event()

    async def held(drafts: Sequence[EventDraft]) -> list[int | FlovynError]:
        writing.set()
        await go_on.wait()
        return await original(drafts)

    ledger.append = held  # type: ignore[method-assign]
    recorder, _ = _recorder(ledger)
    calls = [dataclasses.replace(KNOWN, id=uuid4()) for _ in range(3 * recorder_module.BATCH)]
    for call in calls:
        recorder.offer(call, DONE, Kind.CALL)
    flushing = [asyncio.create_task(recorder.flush()) for _ in range(3)]
    await writing.wait()
    flushing[0].cancel()
    await asyncio.wait(flushing[:1])
    go_on.set()
    await asyncio.gather(*flushing[1:])
    assert [each.call_id for each in ledger.taken] == [each.id for each in calls]
    assert recorder.status().queued == 0


async def test_shutdown_has_a_deadline() -> None:
    """A database that never comes back loses events, and the loss is counted."""
    ledger = Ledger()
    ledger.refuse = lambda _drafts: Unavailable("away")
    recorder, _ = _recorder(ledger, shutdown_timeout=0.05)
    recorder.offer(KNOWN, DONE, Kind.CALL)
    await recorder.close()
    assert (recorder.status().dropped, recorder.status().queued) == (1, 0)


async def test_the_status_is_for_operators(database: str) -> None:
    """The counts concern all tenants together."""
    async with auditing(database) as client:
        await start(client)
        await recorder_of(client).flush()
        status = await client.rest("GET", f"{BASE}/status")
        assert status.json == {
            "mode": "best_effort", "recorded": 1, "dropped": 0, "queued": 0, "queueSize": 20_000
        }  # fmt: skip
        assert (await client.rest("GET", f"{BASE}/status", key=USER_KEY)).status_code == 403


async def test_the_path_of_a_call_does_not_touch_the_database(database: str) -> None:
    """While nothing can be written, calls go on as before."""
    async with auditing(database, flush_interval=60) as client, _locked(database):
        await asyncio.wait_for(start(client), 10)
        assert recorder_of(client).status().queued == 1


class _locked:  # noqa: N801 - reads like a function
    """Keeps everybody else from writing events."""

    def __init__(self, database: str) -> None:
        self._database = database

    async def __aenter__(self) -> None:
        self._connection = await psycopg.AsyncConnection.connect(self._database)
        await self._connection.execute("LOCK p_audit_log__events IN EXCLUSIVE MODE")

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()
