"""Events from outside reach runs while workers submit to them: nothing is lost, nothing is numbered twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest_asyncio

from core.payload import Json
from proto.flovyn.v1 import workflow_pb2
from server.domain.delivery import Delivery
from server.domain.worker import Category
from server.domain.workflow_event import EventType, NewEvent
from server.storage.workflows import WorkflowRepository
from tests.support.repetitions import times
from tests.support.running import TENANT, Client, bearer, running_server

SIGNAL = NewEvent(EventType.SIGNAL_RECEIVED, Json('{"signalName":"s","signalValue":null}'))


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server whose pollers wait."""
    async with running_server(database, ENGINE__POLL_HOLD_MS="60000") as client:
        yield client


async def _start(client: Client) -> str:
    request = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
    return str((await client.dispatch.StartWorkflow(request, metadata=bearer())).workflow_execution_id)


async def _poll(client: Client) -> workflow_pb2.WorkflowExecution:
    request = workflow_pb2.PollRequest(worker_id="w", tenant_id=str(TENANT))
    answer: workflow_pb2.PollResponse = await client.dispatch.PollWorkflow(request, metadata=bearer())
    return answer.workflow_execution


async def _submit(client: Client, workflow_id: str, status: workflow_pb2.WorkflowStatus) -> None:
    operation = workflow_pb2.RecordOperationCommand(operation_name="op")
    request = workflow_pb2.SubmitWorkflowCommandsRequest(
        workflow_execution_id=workflow_id,
        commands=[workflow_pb2.WorkflowCommand(record_operation=operation)],
        status=status,
    )
    await client.dispatch.SubmitWorkflowCommands(request, metadata=bearer())


async def _deliver(client: Client, *workflow_ids: str) -> list[int | None]:
    workflows = WorkflowRepository(client.pool)
    items = [Delivery(TENANT, UUID(workflow_id), SIGNAL) for workflow_id in workflow_ids]
    async with client.engine.workflows.deliveries.dispatching() as dispatch, client.pool.transaction() as connection:
        states = await workflows.lock(connection, list({(each.tenant_id, each.workflow_id) for each in items}))
        return await dispatch.append(connection, states, items)


async def test_an_event_wakes_a_waiting_workflow_and_its_poller(client: Client) -> None:
    """A workflow that waits becomes claimable, and the poller that is parked gets it at once."""
    workflow_id = await _start(client)
    await _poll(client)
    await _submit(client, workflow_id, workflow_pb2.WORKFLOW_STATUS_SUSPENDED)
    client.engine.wakeups[Category.WORKFLOW].parked.clear()
    poll = asyncio.ensure_future(_poll(client))
    await asyncio.wait_for(client.engine.wakeups[Category.WORKFLOW].parked.wait(), 5)
    assert await _deliver(client, workflow_id, workflow_id) == [3, 4]
    execution = await asyncio.wait_for(poll, 1)
    assert (execution.id, execution.current_sequence) == (workflow_id, 4)


async def test_an_ended_workflow_ignores_events(client: Client) -> None:
    """The event gets no number, its neighbour does."""
    ended, alive = await _start(client), await _start(client)
    await _poll(client)
    await _submit(client, ended, workflow_pb2.WORKFLOW_STATUS_COMPLETED)
    assert await _deliver(client, ended, alive) == [None, 2]


async def test_events_and_submissions_at_once_are_numbered_without_a_gap(client: Client) -> None:
    """Completions arrive while the worker suspends, again and again: 1..n, and the last one is never slept through."""
    workflow_id = await _start(client)
    count = times(40, 2000)
    seen = 0
    few = asyncio.Semaphore(5)  # each delivery here is a transaction of its own, and the pool is small

    async def deliver() -> None:
        async with few:
            await _deliver(client, workflow_id)

    delivering = asyncio.gather(*(deliver() for _ in range(count)))
    while seen < 1 + count:
        execution = await asyncio.wait_for(_poll(client), 10)
        request = workflow_pb2.GetEventsRequest(workflow_execution_id=workflow_id)
        events = (await client.dispatch.GetEvents(request, metadata=bearer())).events
        assert [event.sequence_number for event in events] == list(range(1, len(events) + 1))
        assert len(events) >= execution.current_sequence
        seen = 1 + sum(event.event_type == "SIGNAL_RECEIVED" for event in events)
        await _submit(client, workflow_id, workflow_pb2.WORKFLOW_STATUS_SUSPENDED)
    await delivering
