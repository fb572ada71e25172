"""Cancelling runs: at once where no worker has the workflow, otherwise when the worker reports; children after parents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from core.errors import NotFound
from server.domain.cancellation import CancellationRequest, CancelOutcome
from server.engine.workflows.cancellation import Cancelled
from tests.support.calls import poll_task
from tests.support.driving import (
    COMPLETED,
    FAILED,
    RUNNING,
    SUSPENDED,
    Calls,
    cancel_child,
    complete,
    create_promise,
    fail,
    operation,
    schedule_child,
    schedule_task,
    start_timer,
)
from tests.support.repetitions import times
from tests.support.running import OTHER_TENANT, TENANT, running_server

ENDED = ["CANCELLATION_REQUESTED", "WORKFLOW_EXECUTION_FAILED", "WORKFLOW_CANCELLED"]


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def _cancel(calls: Calls, workflow_id: str, *, cascades: bool = True) -> tuple[CancelOutcome, list[str]]:
    request = CancellationRequest(TENANT, UUID(workflow_id), "enough", "user:test", cascades)
    return _told(await calls.client.engine.workflows.cancel(request))


async def _terminate(calls: Calls, workflow_id: str) -> tuple[CancelOutcome, list[str]]:
    request = CancellationRequest(TENANT, UUID(workflow_id), "enough", "user:test")
    return _told(await calls.client.engine.workflows.terminate(request))


def _told(cancelled: Cancelled) -> tuple[CancelOutcome, list[str]]:
    return cancelled.outcome, sorted(str(child) for _, child in cancelled.children)


@pytest.mark.parametrize("waiting", [False, True])
async def test_a_workflow_that_no_worker_has_is_cancelled_at_once(calls: Calls, *, waiting: bool) -> None:
    """With the events that every client family understands; a second request is answered the same."""
    workflow_id = await calls.start()
    if waiting:
        await calls.step(status=SUSPENDED)
    assert await _cancel(calls, workflow_id) == (CancelOutcome.CANCELLED, [])
    failed = {"error": "Workflow cancelled: enough", "stackTrace": "", "failureType": "CANCELLED"}
    assert [event[1:] for event in (await calls.events(workflow_id))[1:]] == [
        ("CANCELLATION_REQUESTED", {"reason": "enough", "requestedBy": "user:test"}),
        ("WORKFLOW_EXECUTION_FAILED", failed),
        ("WORKFLOW_CANCELLED", {"reason": "enough"}),
    ]
    assert await _cancel(calls, workflow_id) == (CancelOutcome.CANCELLED, [])
    assert await calls.poll() is None


@pytest.mark.parametrize(
    ("commands", "status"),
    [
        ([operation()], SUSPENDED),
        ([operation(), fail("cancelled", "CANCELLED")], FAILED),
        ([schedule_task(str(uuid4()))], RUNNING),
        ([], COMPLETED),
    ],
)
async def test_a_workflow_that_a_worker_has_is_cancelled_when_it_reports(
    calls: Calls, commands: list[object], status: object
) -> None:
    """Whatever the worker reports but a completion; its commands are dropped."""
    workflow_id = await calls.start()
    await calls.claim()
    assert await _cancel(calls, workflow_id) == (CancelOutcome.CANCELLING, [])
    assert await _cancel(calls, workflow_id) == (CancelOutcome.CANCELLING, [])
    await calls.submit(workflow_id, *commands, status=status)  # type: ignore[arg-type]
    assert await calls.types(workflow_id) == ["WORKFLOW_STARTED", *ENDED]
    assert await calls.row("SELECT count(*) FROM cancellation_request") == (0,)


@pytest.mark.parametrize("cancelling", [False, True])
async def test_a_termination_does_not_wait_for_the_worker(calls: Calls, *, cancelling: bool) -> None:
    """Even while the workflow is CANCELLING; a second request is answered the same, and a late submission changes nothing."""
    workflow_id = await calls.start()
    await calls.claim()
    if cancelling:
        await _cancel(calls, workflow_id)
    assert await _terminate(calls, workflow_id) == (CancelOutcome.CANCELLED, [])
    assert await calls.types(workflow_id) == ["WORKFLOW_STARTED", *ENDED]
    assert await calls.row("SELECT count(*), max(claim_id::text) FROM cancellation_request, workflow_execution") == (
        0,
        None,
    )
    assert await _terminate(calls, workflow_id) == (CancelOutcome.CANCELLED, [])
    await calls.submit(workflow_id, complete(b"1"), status=COMPLETED)
    assert await calls.types(workflow_id) == ["WORKFLOW_STARTED", *ENDED]


async def test_a_termination_clears_up_and_cancels_children(calls: Calls) -> None:
    """As the end of a cancellation does: a child that a worker has is cancelled when it reports."""
    parent, child, busy = await calls.start(), str(uuid4()), str(uuid4())
    open_work = [schedule_task(str(uuid4())), start_timer("t", 60_000), create_promise("p", timeout_ms=60_000)]
    await calls.step(
        *open_work, schedule_child(child, "c1"), schedule_child(busy, "c2", queue="busy"), status=SUSPENDED
    )
    assert (await calls.claim("busy")).id == busy
    assert await _terminate(calls, parent) == (CancelOutcome.CANCELLED, sorted([child, busy]))
    statuses = "(SELECT status FROM task_execution), (SELECT status FROM timer), (SELECT status FROM promise)"
    assert await calls.row(f"SELECT {statuses}") == ("CANCELLED", "ABANDONED", "ABANDONED")
    assert [await calls.status(each) for each in (parent, child, busy)] == ["CANCELLED", "CANCELLED", "CANCELLING"]


async def test_a_completion_wins_over_a_cancellation(calls: Calls) -> None:
    """The workflow was done before it could hear of it."""
    workflow_id = await calls.start()
    await calls.claim()
    await _cancel(calls, workflow_id)
    await calls.submit(workflow_id, complete(b"1"), status=COMPLETED)
    assert await calls.types(workflow_id) == ["WORKFLOW_STARTED", "WORKFLOW_COMPLETED"]
    assert await calls.row("SELECT count(*) FROM cancellation_request") == (0,)


async def test_a_worker_that_never_reports_does_not_hold_up_a_cancellation(database: str) -> None:
    """When its lease is over, the workflow is cancelled."""
    async with running_server(database, ENGINE__ACTIVATION_LEASE="1") as client:
        calls = Calls(client)
        workflow_id = await calls.start()
        await calls.claim()
        await _cancel(calls, workflow_id)
        await calls.until_event(workflow_id, "WORKFLOW_CANCELLED")


async def test_a_released_claim_does_not_hold_up_a_cancellation(calls: Calls) -> None:
    """A claim of unknown outcome is released: no worker has the workflow, and its lease ends at once."""
    workflow_id = await calls.start()
    await calls.claim()
    assert await _cancel(calls, workflow_id) == (CancelOutcome.CANCELLING, [])
    (claim,) = await calls.row("SELECT claim_id FROM workflow_execution")
    assert await calls.client.engine.workflows.claims.release_claims([claim], 60) == {claim}
    await calls.client.engine.workflows.reclaim(lease=300, silence=60)
    await calls.until_event(workflow_id, "WORKFLOW_CANCELLED")


async def test_the_open_work_of_a_cancelled_workflow_is_cleared_up(calls: Calls) -> None:
    """Open tasks are cancelled; timers and promises are no longer due; no events for them."""
    workflow_id = await calls.start()
    await calls.step(
        schedule_task(str(uuid4())), start_timer("t", 60_000), create_promise("p", timeout_ms=60_000), status=SUSPENDED
    )
    await _cancel(calls, workflow_id)
    assert await poll_task(calls.client) is None
    statuses = "(SELECT status FROM task_execution), (SELECT status FROM timer), (SELECT status FROM promise)"
    assert await calls.row(f"SELECT {statuses}") == ("CANCELLED", "ABANDONED", "ABANDONED")
    assert (await calls.types(workflow_id))[-3:] == ENDED


async def test_children_are_cancelled_after_their_parents(calls: Calls) -> None:
    """Down to the last level; one that a worker has is cancelled when it reports; parents that are open hear of it."""
    root, middle, leaf, busy = await calls.start(), *(str(uuid4()) for _ in range(3))
    await calls.step(schedule_child(middle))
    await calls.step(schedule_child(leaf), schedule_child(busy, queue="busy"))
    assert (await calls.claim("busy")).id == busy
    assert await _cancel(calls, root) == (CancelOutcome.CANCELLED, sorted([middle, leaf, busy]))
    assert [await calls.status(each) for each in (middle, leaf, busy)] == ["CANCELLED", "CANCELLED", "CANCELLING"]
    await calls.submit(busy, status=SUSPENDED)
    assert await calls.status(busy) == "CANCELLED"


async def test_a_parent_hears_that_its_child_was_cancelled(calls: Calls) -> None:
    """As a failure, because a cancelled child wakes no worker."""
    parent, child = await calls.start(), str(uuid4())
    await calls.step(schedule_child(child, "c1"))
    await _cancel(calls, child)
    assert (await calls.events(parent))[-1][2]["error"] == "Child workflow cancelled: enough"
    assert (await calls.claim()).id == parent


async def test_without_cascade_children_go_on(calls: Calls) -> None:
    """The caller may leave them alone."""
    parent, child = await calls.start(), str(uuid4())
    await calls.step(schedule_child(child))
    assert await _cancel(calls, parent, cascades=False) == (CancelOutcome.CANCELLED, [])
    assert (await calls.claim()).id == child


async def test_requests_that_a_crash_left_are_carried_out(database: str) -> None:
    """The next server finds the requests that a parent's commit stored."""
    async with running_server(database) as client:
        workflow_id = await Calls(client).start()
        async with client.pool.connection() as connection:
            await connection.execute(
                "INSERT INTO cancellation_request VALUES (%s, %s, 'enough', 'x', true)", (TENANT, workflow_id)
            )
    async with running_server(database) as client:
        await Calls(client).until_event(workflow_id, "WORKFLOW_CANCELLED")


async def test_cancellations_and_submissions_at_once_end_each_workflow_once(database: str) -> None:
    """Through two servers: one end per run, whichever comes first."""
    count = times(30, 600)
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        workflows = [await here.start() for _ in range(count)]
        for _ in workflows:
            await here.claim()
        await asyncio.gather(
            *(_cancel(there, workflow_id) for workflow_id in workflows),
            *(here.submit(workflow_id, complete(), status=COMPLETED) for workflow_id in workflows),
        )
        for workflow_id in workflows:
            ends = [
                kind for kind in await here.types(workflow_id) if kind in {"WORKFLOW_COMPLETED", "WORKFLOW_CANCELLED"}
            ]
            assert len(ends) == 1


async def test_an_unknown_workflow_cannot_be_cancelled(calls: Calls) -> None:
    """Nor one of another tenant."""
    workflow_id = await calls.start()
    with pytest.raises(NotFound):
        await _cancel(calls, str(uuid4()))
    request = CancellationRequest(OTHER_TENANT, UUID(workflow_id), "enough", "x")
    with pytest.raises(NotFound):
        await calls.client.engine.workflows.cancel(request)


async def test_parents_cancelled_while_children_end_do_not_wait_for_each_other(database: str) -> None:
    """Through two servers: no deadlock, and every child ends once."""
    count = times(60, 1000)
    patient: dict[str, Any] = {"DATABASE__CONNECT_TIMEOUT": "60"}  # each cancellation waits for a connection of its own
    async with running_server(database, **patient) as one, running_server(database, **patient) as two:
        here, there = Calls(one), Calls(two)
        pairs = [(await here.start(), str(uuid4())) for _ in range(count)]
        await here.claim_pending()
        for parent, child in pairs:
            await here.submit(parent, schedule_child(child), status=RUNNING)
        await here.claim_pending()
        await asyncio.gather(
            *(_cancel(there, parent) for parent, _ in pairs),
            *(here.submit(child, complete(), status=COMPLETED) for _, child in pairs),
            *(there.submit(parent, cancel_child(child), status=RUNNING) for parent, child in pairs),
        )
        for parent, child in pairs:
            if await here.status(parent) == "CANCELLING":  # its worker reported before the request to cancel
                await here.submit(parent, status=RUNNING)
            assert await here.status(parent) == "CANCELLED"
            ends = [kind for kind in await here.types(child) if kind in {"WORKFLOW_COMPLETED", "WORKFLOW_CANCELLED"}]
            assert len(ends) == 1
        assert await here.row("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == (0,)
