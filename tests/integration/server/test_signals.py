"""Signals: to workflows that are there, and to workflows that are started for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio

from proto.flovyn.v1 import workflow_pb2 as pb
from server.engine.workflows.signals import MAX_SIGNALS
from tests.support.driving import COMPLETED, FAILED, Calls, complete, fail, refusal, send_signal, signal_with_start
from tests.support.repetitions import times
from tests.support.running import bearer, running_server


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def _signal(calls: Calls, workflow_id: str, name: str = "message", value: bytes = b"null") -> int:
    answer = await calls.dispatch.SignalWorkflow(send_signal(workflow_id, name, value), metadata=bearer())
    return int(answer.signal_event_sequence)


async def _with_start(calls: Calls, workflow_id: str, **fields: Any) -> pb.SignalWithStartWorkflowResponse:
    answer: pb.SignalWithStartWorkflowResponse = await calls.dispatch.SignalWithStartWorkflow(
        signal_with_start(workflow_id, **fields), metadata=bearer()
    )
    return answer


async def test_a_signal_wakes_a_waiting_workflow(calls: Calls) -> None:
    """Its value comes back as sent; a workflow that was never claimed takes signals, too; none is deduplicated."""
    workflow_id = await calls.start()
    assert await _signal(calls, workflow_id, "a", b'{"n": 1.0}') == 2
    await calls.step()
    assert await calls.poll() is None
    assert [await _signal(calls, workflow_id, "a") for _ in range(2)] == [3, 4]
    assert (await calls.claim()).id == workflow_id
    assert [event[1:] for event in (await calls.events(workflow_id))[1:]] == [
        ("SIGNAL_RECEIVED", {"signalName": "a", "signalValue": {"n": 1.0}}),
        *[("SIGNAL_RECEIVED", {"signalName": "a", "signalValue": None})] * 2,
    ]


async def test_a_signal_during_an_activation_is_not_slept_through(calls: Calls) -> None:
    """It arrives between claim and suspension: the workflow goes round once more."""
    workflow_id = await calls.start()
    await calls.claim()
    await _signal(calls, workflow_id)
    await calls.submit(workflow_id)
    assert await calls.activation() == workflow_id
    await calls.submit(workflow_id)
    assert await calls.poll() is None


async def test_a_workflow_takes_so_many_signals_and_no_more(calls: Calls) -> None:
    """RESOURCE_EXHAUSTED beyond the limit."""
    workflow_id = await calls.start()
    async with calls.client.pool.connection() as connection:
        await connection.execute("UPDATE workflow_execution SET signal_count = %s", (MAX_SIGNALS - 1,))
    results = await asyncio.gather(*(_signal(calls, workflow_id) for _ in range(3)), return_exceptions=True)
    codes = [each.code() for each in results if isinstance(each, grpc.aio.AioRpcError)]
    assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2


async def test_signals_are_refused_with_their_status(calls: Calls) -> None:
    """NOT_FOUND, FAILED_PRECONDITION for an ended workflow, INVALID_ARGUMENT by field."""
    workflow_id = await calls.start()
    await calls.step(complete(), status=COMPLETED)
    assert (await refusal(_signal(calls, workflow_id)))[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert (await refusal(_signal(calls, str(uuid4()))))[0] is grpc.StatusCode.NOT_FOUND
    for call, named in [
        (_signal(calls, "x"), "workflow_execution_id"),
        (_signal(calls, workflow_id, ""), "signal_name"),
        (_signal(calls, workflow_id, value=b"{"), "signal_value"),
        (_with_start(calls, ""), "workflow_id"),
        (_with_start(calls, "w", workflow_kind=""), "workflow_kind"),
        (_with_start(calls, "w", signal_value=b"{"), "signal_value"),
        (_with_start(calls, "w", workflow_input=b"{"), "workflow_input"),
        (_with_start(calls, "w", idempotency_key_ttl_seconds=0), "idempotency_key_ttl_seconds"),
    ]:
        code, text = await refusal(call)
        assert (code, named in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_a_signal_starts_a_workflow_and_the_next_one_finds_it(calls: Calls) -> None:
    """The first two events are the start and the signal; a started workflow is found by its idempotency key, too."""
    first = await _with_start(calls, "order-1", workflow_input=b"[1.0]", signal_value=b'"a"')
    assert (first.workflow_created, first.signal_event_sequence) == (True, 2)
    second = await _with_start(calls, "order-1", name="other", workflow_kind="ignored")
    assert (second.workflow_execution_id, second.workflow_created, second.signal_event_sequence) == (
        first.workflow_execution_id,
        False,
        3,
    )
    execution = await calls.claim()
    assert (execution.id, execution.kind, execution.input) == (first.workflow_execution_id, "k", b"[1.0]")
    workflow_id = await calls.start(idempotency_key="order-2")
    assert (await _with_start(calls, "order-2")).workflow_execution_id == workflow_id


@pytest.mark.parametrize(("command", "status"), [(complete(), COMPLETED), (fail(), FAILED)])
async def test_an_ended_workflow_is_followed_by_a_new_one(
    calls: Calls, command: pb.WorkflowCommand, status: Any
) -> None:
    """Whichever way it ended."""
    first = await _with_start(calls, "w")
    await calls.step(command, status=status)
    second = await _with_start(calls, "w")
    assert second.workflow_created
    assert second.workflow_execution_id != first.workflow_execution_id


async def test_concurrent_signals_start_one_workflow(database: str) -> None:
    """Through two servers: one workflow, every signal in it once."""
    each = 10
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        for number in range(times(10, 1000)):
            answers = await asyncio.gather(
                *(_with_start((here, there)[n % 2], f"w-{number}", name=str(n)) for n in range(each))
            )
            (workflow_id,) = {answer.workflow_execution_id for answer in answers}
            assert sum(answer.workflow_created for answer in answers) == 1
            assert sorted(answer.signal_event_sequence for answer in answers) == list(range(2, each + 2))
            names = {
                data["signalName"] for _, kind, data in await here.events(workflow_id) if kind == "SIGNAL_RECEIVED"
            }
            assert names == {str(n) for n in range(each)}


async def test_signals_while_workflows_end_are_never_lost(database: str) -> None:
    """A worker completes every workflow as soon as it can: each signal is in exactly one workflow, none is refused."""
    count = times(60, 3000)
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        answers: list[pb.SignalWithStartWorkflowResponse] = []

        async def send(calls: Calls) -> None:
            answers.extend([await _with_start(calls, "w") for _ in range(count)])

        async def work() -> None:
            while True:
                await here.step(complete(), status=COMPLETED)

        worker = asyncio.create_task(work())
        await asyncio.gather(send(here), send(there))
        worker.cancel()
        await asyncio.wait([worker])
        placed = {(answer.workflow_execution_id, answer.signal_event_sequence) for answer in answers}
        assert len(placed) == 2 * count
        assert await here.row("SELECT count(*) FROM workflow_event WHERE event_type = 'SIGNAL_RECEIVED'") == (
            2 * count,
        )
