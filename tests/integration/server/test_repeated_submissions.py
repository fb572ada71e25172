"""A submission that comes twice, late, or from a worker that does not hold the workflow changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from server.domain.submission import MAX_CONTESTED, MAX_REPLAYS
from tests.support.calls import events, poll, rows, start
from tests.support.driving import (
    COMPLETED,
    FAILED,
    RUNNING,
    SUSPENDED,
    Calls,
    complete,
    fail,
    operation,
    send_signal,
    start_timer,
)
from tests.support.running import Client, another_connection, bearer, running_server

LOST = "transport error: connection reset"
"""The text with which a worker reports that the answer to its submission was lost."""


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server; its own connection is an observer's."""
    async with running_server(database) as client:
        yield client


@pytest_asyncio.fixture
async def first(client: Client) -> AsyncIterator[Calls]:
    """A worker."""
    async with another_connection(client) as connection:
        yield Calls(client, connection)


@pytest_asyncio.fixture
async def second(client: Client) -> AsyncIterator[Calls]:
    """Another worker."""
    async with another_connection(client) as connection:
        yield Calls(client, connection)


async def _signal(client: Client, workflow_id: str) -> None:
    await client.dispatch.SignalWorkflow(send_signal(workflow_id), metadata=bearer())


async def _operations(client: Client, workflow_id: str) -> int:
    return [event for _, event, _ in await events(client, workflow_id)].count("OPERATION_COMPLETED")


async def _lease_over(client: Client) -> None:
    async with client.pool.connection() as connection:
        await connection.execute("UPDATE workflow_execution SET claimed_at = now() - interval '301 seconds'")
    assert await client.engine.workflows.reclaim(300, 1e6) == 1


@pytest.mark.parametrize("status", [RUNNING, SUSPENDED, COMPLETED])
@pytest.mark.parametrize("copies", [2, 3])
async def test_copies_that_come_at_once_are_one(client: Client, first: Calls, status: int, copies: int) -> None:
    """All are answered OK; the history is as after one."""
    await start(client)
    workflow_id = await first.activation()
    ends = [complete()] if status == COMPLETED else []
    await asyncio.gather(*(first.submit(workflow_id, operation(), *ends, status=status) for _ in range(copies)))
    assert await _operations(client, workflow_id) == 1


async def test_a_late_copy_changes_nothing_whatever_became_of_the_workflow(
    client: Client, first: Calls, second: Calls
) -> None:
    """WAITING, PENDING, RUNNING with another worker and with the same one, and ended."""
    await start(client)
    workflow_id = await first.activation()
    for _ in range(2):  # the second is WAITING
        await first.submit(workflow_id, operation())
    await _signal(client, workflow_id)
    await first.submit(workflow_id, operation())  # PENDING
    assert await second.activation() == workflow_id
    await first.submit(workflow_id, operation())
    assert await second.status(workflow_id) == "RUNNING"
    await second.submit(workflow_id)
    await _signal(client, workflow_id)
    assert await first.activation() == workflow_id
    await first.submit(workflow_id, operation("other"), complete(), status=COMPLETED)
    await first.submit(workflow_id, operation())
    assert await _operations(client, workflow_id) == 2


async def test_a_late_copy_over_the_connection_of_the_next_claim_changes_nothing(client: Client, first: Calls) -> None:
    """The worker has got the workflow again and has not read the history when the copy arrives; the workflow goes on."""
    await start(client)
    workflow_id = await first.activation()
    await first.submit(workflow_id, operation())
    await _signal(client, workflow_id)
    await first.claim()
    await first.submit(workflow_id, operation())
    assert await _operations(client, workflow_id) == 1
    assert await first.activation() == workflow_id
    await first.submit(workflow_id, complete(), status=COMPLETED)
    assert await first.status(workflow_id) == "COMPLETED"


async def test_an_equal_submission_of_the_next_activation_is_new(client: Client, first: Calls) -> None:
    """A handler that records the same operation for each signal; FFI workers number commands from 1 each time."""
    await start(client)
    for count in (1, 2, 3):
        workflow_id = await first.activation()
        await first.submit(workflow_id, operation())
        assert await _operations(client, workflow_id) == count
        await _signal(client, workflow_id)


async def test_a_worker_that_never_reads_histories_is_served(client: Client, first: Calls) -> None:
    """Its equal submissions are new, each under its own claim."""
    workflow_id = await start(client)
    for count in (1, 2, 3):
        await first.claim()
        await first.submit(workflow_id, operation())
        assert await _operations(client, workflow_id) == count
        await _signal(client, workflow_id)


async def test_the_failure_that_a_worker_makes_of_a_lost_answer_changes_nothing(
    client: Client, first: Calls, second: Calls
) -> None:
    """The workflow waits, is pending, or is with another worker; the report comes over the old or a new connection."""
    await start(client)
    workflow_id = await first.activation()
    await first.submit(workflow_id, operation())
    async with another_connection(client) as connection:
        reconnected = Calls(client, connection)
        for worker in (first, reconnected):
            await worker.submit(workflow_id, fail(LOST), status=FAILED)
        await _signal(client, workflow_id)
        await first.submit(workflow_id, fail(LOST), status=FAILED)
        await second.activation()
        for worker in (first, reconnected):
            await worker.submit(workflow_id, fail(LOST), status=FAILED)
    await second.submit(workflow_id, complete(), status=COMPLETED)
    assert await second.status(workflow_id) == "COMPLETED"


async def test_a_worker_that_wakes_up_after_its_lease_changes_nothing(
    client: Client, first: Calls, second: Calls
) -> None:
    """Another worker took the workflow over, suspended it, and has it again: only that one's commands are in the history."""
    await start(client)
    workflow_id = await first.activation()
    await _lease_over(client)
    await first.submit(workflow_id, operation("late"))  # PENDING
    assert await second.activation() == workflow_id
    await first.submit(workflow_id, operation("late"))  # with the other worker
    await second.submit(workflow_id, operation("mine"))
    await first.submit(workflow_id, operation("late"))  # WAITING
    await _signal(client, workflow_id)
    await second.activation()
    await first.submit(workflow_id, operation("late"))  # with the other worker again, which has submitted since
    await second.submit(workflow_id, complete(), status=COMPLETED)
    history = await events(client, workflow_id)
    assert [data["operationName"] for _, event, data in history if event == "OPERATION_COMPLETED"] == ["mine"]


async def test_a_worker_that_reconnects_within_an_activation_is_heard(client: Client, first: Calls) -> None:
    """Its submission comes over a connection that the server has never seen."""
    await start(client)
    workflow_id = await first.activation()
    async with another_connection(client) as connection:
        await Calls(client, connection).submit(workflow_id, operation())
    assert await _operations(client, workflow_id) == 1


async def test_workers_behind_a_proxy_are_heard(client: Client, first: Calls, second: Calls) -> None:
    """A proxy spreads each worker's calls over its connections: submissions that are equal or contested count."""
    await start(client)
    for count in range(1, 5):
        workflow_id = (await first.claim()).id
        await first.events(workflow_id)
        if count == 3:
            await _lease_over(client)
            await first.claim()
        await second.submit(workflow_id, operation("same" if count > 1 else "first"))
        assert await _operations(client, workflow_id) == count
        await _signal(client, workflow_id)


async def test_evidence_that_keeps_a_workflow_from_going_on_is_given_up(
    client: Client, first: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each ignored submission ends its claim after the grace; after ``MAX_CONTESTED`` claims, the next one is applied."""
    monkeypatch.setattr("server.engine.dispatch.doubtful_claims.GRACE_S", 0.0)
    await start(client)
    workflow_id, applied = (await first.claim()).id, []
    await _lease_over(client)
    for _ in range(MAX_CONTESTED + 1):
        await first.claim()
        async with another_connection(client) as connection:
            await Calls(client, connection).submit(workflow_id, operation())
        applied.append(await _operations(client, workflow_id))
    assert applied == [0] * MAX_CONTESTED + [1]


async def test_the_report_of_a_submission_that_was_lost_ends_the_claim(
    client: Client, first: Calls, second: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The submission never arrived and its worker has a new connection: the workflow is dispatched again."""
    monkeypatch.setattr("server.engine.dispatch.doubtful_claims.GRACE_S", 0.0)
    await start(client)
    workflow_id = await first.activation()
    async with another_connection(client) as connection:
        await Calls(client, connection).submit(workflow_id, fail(LOST), status=FAILED)
    assert await second.activation() == workflow_id
    await second.submit(workflow_id, complete(), status=COMPLETED)
    assert await second.status(workflow_id) == "COMPLETED"


async def test_a_worker_that_does_not_get_the_history_does_not_miss_an_event(client: Client, first: Calls) -> None:
    """It goes on from an empty history: what it submits changes nothing, and it gets the workflow again."""
    await start(client)
    workflow_id = await first.activation()
    await first.submit(workflow_id, operation())
    await _signal(client, workflow_id)
    await first.claim()
    await first.submit(workflow_id, operation(), operation("next"))
    assert await _operations(client, workflow_id) == 1
    assert await first.activation() == workflow_id


async def test_a_worker_of_which_nothing_is_known_does_not_miss_an_event(
    client: Client, first: Calls, second: Calls
) -> None:
    """A suspension by a worker that has never read the history is replayed, once."""
    await start(client)
    workflow_id = await first.activation()
    await first.submit(workflow_id)
    await _signal(client, workflow_id)
    for status in ("PENDING", "WAITING"):
        await second.claim()
        await second.submit(workflow_id)
        assert await second.status(workflow_id) == status


async def test_a_worker_that_begins_again_what_it_has_begun_does_not_miss_an_event(
    client: Client, first: Calls
) -> None:
    """An answer with the history may be lost on the wire. The workflow is replayed, but not for ever."""
    await start(client)
    workflow_id = await first.activation()
    timer = start_timer("t", 3_600_000)
    await first.submit(workflow_id, timer)
    await _signal(client, workflow_id)
    for status in ["PENDING"] * MAX_REPLAYS + ["WAITING"]:
        assert await first.activation() == workflow_id
        await first.submit(workflow_id, timer)
        assert await first.status(workflow_id) == status


async def test_a_submission_that_finds_the_workflow_suspended_lets_it_be_replayed(
    client: Client, first: Calls, second: Calls
) -> None:
    """It may have been the holder's, and the suspension a copy; a copy itself is known, and wakes nothing."""
    await start(client)
    workflow_id = await first.activation()
    await _lease_over(client)
    assert await second.activation() == workflow_id
    await second.submit(workflow_id, operation("mine"))
    await second.submit(workflow_id, operation("mine"))
    assert await first.status(workflow_id) == "WAITING"
    await first.submit(workflow_id, operation("late"))
    assert await first.status(workflow_id) == "PENDING"
    assert await _operations(client, workflow_id) == 1


async def test_a_copy_within_an_activation_leaves_its_claim(client: Client, first: Calls) -> None:
    """The worker is not done yet: what it submits next counts."""
    await start(client)
    workflow_id = await first.activation()
    for _ in range(2):
        await first.submit(workflow_id, operation(), status=RUNNING)
    await first.submit(workflow_id, operation("next"), complete(), status=COMPLETED)
    assert await _operations(client, workflow_id) == 2


async def test_an_unclaimed_workflow_takes_no_submission(client: Client, first: Calls) -> None:
    """OK, and nothing is written."""
    workflow_id = await start(client)
    await first.submit(workflow_id, operation(), complete(), status=COMPLETED)
    assert await _operations(client, workflow_id) == 0
    assert (await poll(client)) is not None


async def test_a_workflow_that_an_older_version_has_claimed_takes_submissions(client: Client, first: Calls) -> None:
    """Two versions work on one database: the older one writes no claim id."""
    await start(client)
    workflow_id = await first.activation()
    async with client.pool.connection() as connection:
        await connection.execute("UPDATE workflow_execution SET claim_id = NULL, held_by = NULL, claimed_by = NULL")
    await first.submit(workflow_id, operation())
    assert await rows(client, "SELECT status FROM workflow_execution") == [("WAITING",)]
