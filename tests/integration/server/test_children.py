"""Child workflows: started by their parents, on their queues, and heard of by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest_asyncio

from proto.flovyn.v1 import workflow_pb2 as pb
from server.domain.child import MAX_DEPTH
from tests.support.driving import (
    COMPLETED,
    FAILED,
    RUNNING,
    SUSPENDED,
    Calls,
    cancel_child,
    complete,
    fail,
    refusal,
    schedule_child,
)
from tests.support.repetitions import times
from tests.support.running import TENANT, bearer, running_server


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def test_a_childs_result_reaches_its_parent(calls: Calls) -> None:
    """The child has a history of its own; its end wakes the parent in the same commit."""
    parent, child = await calls.start(), str(uuid4())
    await calls.step(schedule_child(child, "c1", data=b'{"n": 1.0}'))
    execution = await calls.claim()
    assert (execution.id, execution.kind, execution.input) == (child, "child", b'{"n": 1.0}')
    await calls.submit(child, complete(b"2.0"), status=COMPLETED)
    assert (await calls.claim()).id == parent
    assert (await calls.events(parent))[1:] == [
        (
            2,
            "CHILD_WORKFLOW_INITIATED",
            {
                "childExecutionName": "c1",
                "childExecutionId": child,
                "childWorkflowKind": "child",
                "childWorkflowExecutionId": child,
                "input": {"n": 1.0},
                "queue": "default",
            },
        ),
        (3, "CHILD_WORKFLOW_COMPLETED", {"childExecutionName": "c1", "childExecutionId": child, "output": 2.0}),
    ]
    started = {"input": {"n": 1.0}, "workflowKind": "child", "parentWorkflowExecutionId": parent}
    assert (await calls.events(child))[0] == (1, "WORKFLOW_STARTED", started)


async def test_three_levels_run_on_the_inherited_queue(calls: Calls) -> None:
    """No queue and the default one mean the parent's; another one is taken as it is."""
    root, middle, leaf, elsewhere = await calls.start(queue="own"), *(str(uuid4()) for _ in range(3))
    await calls.step(schedule_child(middle), queue="own")
    await calls.step(schedule_child(leaf, queue="default"), schedule_child(elsewhere, queue="other"), queue="own")
    assert (await calls.claim("other")).id == elsewhere
    for expected in (leaf, middle, root):
        assert await calls.step(complete(), queue="own", status=COMPLETED) == expected
    assert (await calls.types(root))[-2:] == ["CHILD_WORKFLOW_COMPLETED", "WORKFLOW_COMPLETED"]


async def test_many_children_ending_at_once_are_all_heard_of(database: str) -> None:
    """Through two servers: one outcome per child, numbered without a gap, and the parent is claimable."""
    count = times(40, 1000)
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        parent, children = await here.start(), [str(uuid4()) for _ in range(count)]
        await here.step(*(schedule_child(child, f"c{number}") for number, child in enumerate(children)))
        await here.claim_pending()
        await asyncio.gather(
            *((here, there)[n % 2].submit(child, complete(), status=COMPLETED) for n, child in enumerate(children))
        )
        history = await here.until_event(parent, "CHILD_WORKFLOW_COMPLETED", count)
        assert {data["childExecutionId"] for _, kind, data in history if kind.endswith("COMPLETED")} == set(children)
        await here.types(parent)
        assert await there.status(parent) == "PENDING"


async def test_parents_and_children_submitting_at_once_do_not_wait_for_each_other(database: str) -> None:
    """Rows are locked in the order of their ids, parents and children alike: no deadlock, nothing lost."""
    count = times(30, 500)
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        pairs = [(await here.start(), str(uuid4())) for _ in range(count)]
        await here.claim_pending()
        for parent, child in pairs:
            await here.submit(parent, schedule_child(child), status=RUNNING)
        await here.claim_pending()
        ends = [here.submit(child, complete(), status=COMPLETED) for _, child in pairs]
        reports = [there.submit(parent, status=RUNNING) for parent, _ in reversed(pairs)]
        await asyncio.gather(*ends, *reports)
        for parent, _ in pairs:
            assert (await here.types(parent))[-1] == "CHILD_WORKFLOW_COMPLETED"


async def test_a_child_sent_again_is_started_once(calls: Calls) -> None:
    """Same parent and id: skipped; a repeated name with a new id is another child."""
    parent, child, other = await calls.start(), str(uuid4()), str(uuid4())
    await calls.claim()
    await calls.submit(parent, schedule_child(child), schedule_child(child), status=RUNNING)
    await calls.submit(parent, schedule_child(child), status=RUNNING)
    await calls.submit(parent, schedule_child(other), status=RUNNING)
    assert await calls.types(parent) == ["WORKFLOW_STARTED", *["CHILD_WORKFLOW_INITIATED"] * 2]


async def test_a_taken_id_is_a_failed_child_and_wakes_the_parent(calls: Calls) -> None:
    """An error would fail the whole parent; the failure is news, so the parent is not left waiting."""
    other, parent = await calls.start(), await calls.start()
    await calls.claim()
    await calls.step(schedule_child(other, "c1"))
    kind, data = (await calls.events(parent))[-1][1:]
    assert (kind, data["childExecutionName"]) == ("CHILD_WORKFLOW_FAILED", "c1")
    assert "another workflow execution" in data["error"]
    assert (await calls.claim()).id == parent


async def test_endless_recursion_ends(calls: Calls) -> None:
    """A child below the deepest level fails to start."""
    parent = await calls.start()
    async with calls.client.pool.connection() as connection:
        await connection.execute("UPDATE workflow_execution SET depth = %s", (MAX_DEPTH,))
    await calls.step(schedule_child(str(uuid4())))
    assert f"{MAX_DEPTH} levels deep" in (await calls.events(parent))[-1][2]["error"]


async def test_a_child_without_a_kind_is_refused_or_fails_to_start(calls: Calls) -> None:
    """Neither kind nor definition is INVALID_ARGUMENT; an unknown definition is a failed child."""
    parent = await calls.start()
    await calls.claim()
    command = schedule_child(str(uuid4()), kind="")
    code, text = await refusal(calls.submit(parent, command, status=RUNNING))
    assert (code, "workflow_kind" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    await calls.submit(parent, schedule_child(str(uuid4()), kind="", workflow_definition_id="d"), status=RUNNING)
    assert (await calls.types(parent))[1:] == ["CHILD_WORKFLOW_INITIATED", "CHILD_WORKFLOW_FAILED"]


async def test_a_parent_cancels_a_child_by_id_or_by_name(calls: Calls) -> None:
    """An unknown child and one that has ended are ignored; the parent hears of the failure."""
    parent, first, second = await calls.start(), str(uuid4()), str(uuid4())
    await calls.step(schedule_child(first, "a"), schedule_child(second, "b"), status=RUNNING)
    await calls.submit(parent, cancel_child(first), cancel_child(str(uuid4())), status=RUNNING)
    await calls.submit(parent, cancel_child(name="b", reason="enough"), cancel_child(name="zz"), status=RUNNING)
    history = await calls.until_event(parent, "CHILD_WORKFLOW_FAILED", 2)
    errors = {data["childExecutionName"]: data["error"] for _, kind, data in history if kind.endswith("FAILED")}
    assert errors == {
        "a": "Child workflow cancelled: the parent asked for it",
        "b": "Child workflow cancelled: enough",
    }
    assert [await calls.status(child) for child in (first, second)] == ["CANCELLED", "CANCELLED"]
    await calls.submit(parent, cancel_child(first), status=RUNNING)
    assert await calls.client.engine.workflows.carry_out_cancellations() == (0, False)


async def test_an_outcome_does_not_reach_an_ended_parent(calls: Calls) -> None:
    """The child ends by itself."""
    parent, child = await calls.start(), str(uuid4())
    await calls.step(schedule_child(child), complete(), status=COMPLETED)
    await calls.step(fail(), status=FAILED)
    assert await calls.types(parent) == ["WORKFLOW_STARTED", "CHILD_WORKFLOW_INITIATED", "WORKFLOW_COMPLETED"]
    assert await calls.status(child) == "FAILED"


async def test_a_child_is_started_by_a_call(calls: Calls) -> None:
    """StartChildWorkflow: NOT_FOUND for an unknown parent, FAILED_PRECONDITION for an ended one."""

    async def start(parent: str, **fields: Any) -> str:
        request = pb.StartChildWorkflowRequest(
            **{
                "parent_workflow_execution_id": parent,
                "child_execution_name": "c1",
                "tenant_id": str(TENANT),
                "workflow_kind": "child",
                **fields,
            }
        )
        answer = await calls.dispatch.StartChildWorkflow(request, metadata=bearer())
        return str(answer.child_workflow_execution_id)

    parent = await calls.start(queue="own")
    await calls.step(queue="own", status=SUSPENDED)
    child = await start(parent)
    assert UUID(child)
    await calls.step(complete(b"1"), queue="own", status=COMPLETED)
    assert (await calls.claim("own")).id == parent
    expected = ["WORKFLOW_STARTED", "CHILD_WORKFLOW_INITIATED", "CHILD_WORKFLOW_COMPLETED"]
    assert await calls.types(parent) == expected
    await calls.submit(parent, complete(), status=COMPLETED)
    assert (await refusal(start(parent)))[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert (await refusal(start(str(uuid4()))))[0] is grpc.StatusCode.NOT_FOUND
    assert (await refusal(start(parent, workflow_kind="")))[0] is grpc.StatusCode.INVALID_ARGUMENT
