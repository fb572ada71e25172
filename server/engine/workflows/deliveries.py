"""Writes the steps of locked workflows, and dispatches the workflows that are PENDING after the commit.

A PENDING workflow goes to a parked poller (direct dispatch). If there is none, a poller is woken after the commit; one
that was woken before would find the row locked and skip it:

    async with deliveries.dispatching() as dispatch, database.transaction() as connection:
        states = await workflows.lock(connection, keys)
        ...
        await dispatch.append(connection, states, events)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from core.connection import DatabaseConnection
from server.domain.delivery import Delivery, receive_all
from server.domain.submission import WorkflowStep
from server.domain.workflow import ClaimedWorkflow, NewWorkflow, WorkflowState, WorkflowStatus
from server.engine.dispatch.direct_dispatch import DirectDispatch, Reservations
from server.engine.dispatch.wakeups import QueueKey
from server.storage.workflows import Dispatched, WorkflowKey, WorkflowRepository


class Deliveries:
    """Begins the dispatch of one transaction; see ``StepDispatch``."""

    def __init__(
        self,
        workflows: WorkflowRepository,
        direct_dispatch: DirectDispatch[NewWorkflow, ClaimedWorkflow],
        wake: Callable[[QueueKey, str], None],
    ) -> None:
        self._workflows = workflows
        self._direct_dispatch = direct_dispatch
        self._wake = wake

    @asynccontextmanager
    async def dispatching(self) -> AsyncIterator[StepDispatch]:
        """Yield the dispatch for one transaction, which must have committed at the end of the context."""
        with self._direct_dispatch.reserving() as pollers:
            dispatch = StepDispatch(self._workflows, pollers)
            yield dispatch
            pollers.deliver(await dispatch.claimed())
        for state in dispatch.pending:
            self._wake((state.tenant_id, state.queue), state.kind)


class StepDispatch:
    """Writes the steps of one transaction. The steps of one workflow must be in one call."""

    def __init__(self, workflows: WorkflowRepository, pollers: Reservations[NewWorkflow, ClaimedWorkflow]) -> None:
        self._workflows = workflows
        self._pollers = pollers
        self._dispatched: list[Dispatched] = []
        self.pending: list[WorkflowState] = []
        """The workflows that are PENDING without a poller.

        Workflows that were PENDING before are included: a claim skips locked rows, so that a poller may have missed
        them.
        """

    async def append(
        self, connection: DatabaseConnection, states: dict[WorkflowKey, WorkflowState], deliveries: Sequence[Delivery]
    ) -> list[int | None]:
        """Append events to workflows that the connection's transaction has locked; update ``states``.

        Returns:
            The number of each event, in order; None if the workflow is missing or has ended.
        """
        steps = receive_all(states, deliveries)
        await self.apply(connection, [step for step in steps if step is not None])
        return [step.events[-1].sequence if step else None for step in steps]

    async def apply(self, connection: DatabaseConnection, steps: Sequence[WorkflowStep]) -> None:
        """Write the steps of workflows that the connection's transaction has locked, in order."""
        if steps:
            self._dispatched.append(await self._workflows.apply(connection, self._with_claims(steps)))

    async def claimed(self) -> list[ClaimedWorkflow]:
        """Return the workflows that were written as claimed; to be called after the commit."""
        return [workflow for dispatched in self._dispatched for workflow in await dispatched()]

    def _with_claims(self, steps: Sequence[WorkflowStep]) -> list[WorkflowStep]:
        """Return the steps; the last step of a PENDING workflow for which a poller is parked has ``claim`` set."""
        last = {(step.state.tenant_id, step.state.id): index for index, step in enumerate(steps)}
        written = list(steps)
        for index in last.values():
            step = steps[index]
            if step.state.status is not WorkflowStatus.PENDING:
                continue
            claim = self._pollers.claim(step.state)
            if claim is None:
                self.pending.append(step.state)
            else:
                claimed = replace(step.state, status=WorkflowStatus.RUNNING)
                written[index] = replace(step, state=claimed, claim=claim)
        return written
