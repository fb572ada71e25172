"""The dispatch of workflows that are PENDING after steps."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import pytest

from core.connection import DatabaseConnection
from server.domain.claim import Claim
from server.domain.submission import WorkflowStep
from server.domain.workflow import ClaimedWorkflow, NewWorkflow, WorkflowState, WorkflowStatus
from server.engine.dispatch.direct_dispatch import DirectDispatch
from server.engine.dispatch.wakeups import Wakeups
from server.engine.workflows.deliveries import Deliveries
from server.storage.workflows import Dispatched, WorkflowRepository

TENANT = UUID(int=1)
PENDING, WAITING, ENDED = WorkflowStatus.PENDING, WorkflowStatus.WAITING, WorkflowStatus.COMPLETED
CONNECTION = cast("DatabaseConnection", None)


class _Workflows:
    """Notes the written steps."""

    def __init__(self) -> None:
        self.written: list[WorkflowStep] = []

    async def apply(self, _connection: object, steps: Sequence[WorkflowStep]) -> Dispatched:
        self.written += steps

        async def dispatched() -> list[ClaimedWorkflow]:
            return [_claimed(step.state, step.claim) for step in steps if step.claim is not None]

        return dispatched


class _Server:
    """The dispatch of steps, with pollers that never claim by themselves."""

    def __init__(self) -> None:
        self.workflows = _Workflows()
        self.wakeups = Wakeups()
        self.woken: list[str] = []
        self.released: list[ClaimedWorkflow] = []
        direct: DirectDispatch[NewWorkflow, ClaimedWorkflow] = DirectDispatch(
            self.wakeups, self.released.extend, lambda _claims, _since: None
        )
        workflows = cast("WorkflowRepository", self.workflows)
        self.deliveries = Deliveries(workflows, direct, lambda _key, kind: self.woken.append(kind))

    async def park(self, *kinds: str) -> asyncio.Task[Any]:
        """Return a poll that is parked."""

        async def no_work() -> None:
            return None

        self.wakeups.parked.clear()
        poll = asyncio.create_task(self.wakeups.poll((TENANT, "q"), no_work, 60, kinds, claim=Claim("w")))
        await self.wakeups.parked.wait()
        return poll


def _step(number: int, status: WorkflowStatus) -> WorkflowStep:
    return WorkflowStep(WorkflowState(TENANT, UUID(int=number), f"k{number}", "q", status, 1, 1, 0), ())


def _claimed(state: WorkflowState, claim: Claim) -> ClaimedWorkflow:
    fields = (state.tenant_id, state.id, state.kind, state.queue, "{}", 0, None, 1, None, None, claim.id)
    return ClaimedWorkflow(*cast("Any", fields))


async def test_a_workflow_is_woken_once_if_its_last_step_leaves_it_pending() -> None:
    """An earlier step does not count, and neither does a workflow that waits, runs or has ended."""
    server = _Server()
    steps = [_step(1, PENDING), _step(2, PENDING), _step(1, PENDING), _step(2, ENDED), _step(3, WAITING)]
    async with server.deliveries.dispatching() as dispatch:
        await dispatch.apply(CONNECTION, steps)
        assert server.woken == []  # the transaction has not committed yet
    assert server.woken == ["k1"]
    assert server.workflows.written == steps


async def test_a_parked_poller_gets_the_workflow_with_its_last_step() -> None:
    """The earlier step of the workflow is written as it is; no poller is woken for it."""
    server = _Server()
    poll = await server.park("k1")
    async with server.deliveries.dispatching() as dispatch:
        await dispatch.apply(CONNECTION, [_step(1, PENDING), _step(2, PENDING), _step(1, PENDING)])
    assert (await poll).id == UUID(int=1)
    assert server.woken == ["k2"]
    assert [(step.state.status, step.claim is not None) for step in server.workflows.written] == [
        (PENDING, False),
        (PENDING, False),
        (WorkflowStatus.RUNNING, True),
    ]


async def test_a_transaction_that_fails_dispatches_nothing() -> None:
    """The reserved poller tries to claim other work, and parks again."""
    server = _Server()
    poll = await server.park("k1")

    async def fail() -> None:
        async with server.deliveries.dispatching() as dispatch:
            await dispatch.apply(CONNECTION, [_step(1, PENDING)])
            server.wakeups.parked.clear()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await fail()
    await server.wakeups.parked.wait()
    assert not poll.done()
    poll.cancel()


async def test_a_workflow_is_released_if_its_poller_has_gone_before_the_commit() -> None:
    """It was written as claimed."""
    server = _Server()
    poll = await server.park("k1")
    async with server.deliveries.dispatching() as dispatch:
        await dispatch.apply(CONNECTION, [_step(1, PENDING)])
        poll.cancel()
        await asyncio.wait([poll])
    assert [workflow.id for workflow in server.released] == [UUID(int=1)]
