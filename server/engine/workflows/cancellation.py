"""Cancels runs, and their children after them.

A workflow that no worker has is cancelled at once. One that is out with a worker is CANCELLING, and ends when the
worker reports, or its lease is over. Requests are stored until the workflow has ended, so that a crash between a
parent and its children loses nothing; children are locked in transactions of their own, after their parents'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.payload import dump, json_object
from server.domain import child
from server.domain.cancellation import CancellationRequest, CancelOutcome
from server.domain.delivery import receive_all
from server.domain.submission import Step
from server.domain.workflow import WorkflowState, WorkflowStatus, extended
from server.domain.workflow_event import EventType, NewEvent
from server.engine.submission.step_writer import StepWriter
from server.engine.workflows.claims import unknown_workflow
from server.engine.workflows.deliveries import Delivered, Deliveries, woken
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey

BATCH = 200
MOST_SHOWN = 10_001
"""Of a cancelled workflow and those below it, in the answer to a request."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What a request came to, and the children that were cancelled, or are being cancelled, with the workflow."""

    outcome: CancelOutcome
    children: tuple[WorkflowKey, ...] = ()


class Cancellation:
    """The engine's calls about cancelling."""

    def __init__(self, storage: Repositories, deliveries: Deliveries) -> None:
        """Take the storage, and what wakes pollers of parents."""
        self._storage = storage
        self._writer = StepWriter(storage)
        self._deliveries = deliveries

    async def cancel(self, request: CancellationRequest) -> Cancelled:
        """Cancel a workflow and commit. A repeated cancellation gets the answer of the first one.

        Raises:
            NotFound: the tenant has no such run.
        """
        outcomes, further = await self._carry_out([request], at_last=False)
        key = (request.tenant_id, request.workflow_id)
        if key not in outcomes:
            raise unknown_workflow(request.workflow_id)
        while further:
            _, further = await self._carry_out(further, at_last=False)
        if outcomes[key] is CancelOutcome.CANCELLING:
            return Cancelled(CancelOutcome.CANCELLING)
        return await self._ended(request)

    async def _ended(self, request: CancellationRequest) -> Cancelled:
        """Return what a request came to whose workflow has ended: the same to all who asked for it.

        Another call may have ended the workflow and still cancel its children; both calls return all of them.
        """
        workflow = (request.tenant_id, request.workflow_id)
        requests = self._storage.cancellations
        for _ in range(child.MAX_DEPTH + 1):
            async with self._storage.database.connection() as connection:
                outstanding = await requests.outstanding_below(connection, workflow, BATCH) if request.cascades else []
                family = await requests.cancelled_family(connection, workflow, MOST_SHOWN)
            if not outstanding:
                break
            await self._work_off(outstanding, at_last=False)
        if not family:
            return Cancelled(CancelOutcome.ALREADY_TERMINAL)
        return Cancelled(CancelOutcome.CANCELLED, tuple(family[1:]) if request.cascades else ())

    async def finish(self, workflows: Sequence[WorkflowKey]) -> None:
        """End workflows that were CANCELLING until their workers reported."""
        async with self._storage.database.connection() as connection:
            requests = await self._storage.cancellations.of_workflows(connection, workflows)
        await self._work_off(requests, at_last=True)

    async def work_off(self) -> tuple[int, bool]:
        """Carry out a batch of stored requests; return how many, and whether there may be more."""
        async with self._storage.database.connection() as connection:
            requests = await self._storage.cancellations.outstanding(connection, BATCH)
        await self._work_off(requests, at_last=False)
        return len(requests), len(requests) == BATCH

    async def reclaim(self, lease: float) -> int:
        """End workflows that are CANCELLING and whose workers were given them more than ``lease`` seconds ago."""
        async with self._storage.database.connection() as connection:
            requests = await self._storage.cancellations.overdue(connection, lease, BATCH)
        await self._work_off(requests, at_last=True)
        return len(requests)

    async def _work_off(self, requests: Sequence[CancellationRequest], *, at_last: bool) -> None:
        further = requests
        while further:
            _, further = await self._carry_out(further, at_last=at_last)
            at_last = False

    async def _carry_out(
        self, requests: Sequence[CancellationRequest], *, at_last: bool
    ) -> tuple[dict[WorkflowKey, CancelOutcome], Sequence[CancellationRequest]]:
        """Carry requests out; return what each came to, and the requests for children that follow from them.

        ``at_last`` says that workflows which are CANCELLING are to be ended.
        """
        by_key = {(each.tenant_id, each.workflow_id): each for each in requests}
        async with self._storage.database.transaction() as connection:
            states = await self._storage.workflows.lock_with_parents(connection, list(by_key))
            outcomes: dict[WorkflowKey, CancelOutcome] = {}
            steps: list[Step] = []
            for key, request in by_key.items():
                if key in states:
                    outcomes[key], step = _decide(states[key], request, at_last=at_last)
                    steps += [] if step is None else _with_parent(states, key, step)
            await self._writer.write(connection, steps)
            being = [by_key[key] for key, outcome in outcomes.items() if outcome is CancelOutcome.CANCELLING]
            if being:
                await self._storage.cancellations.request(connection, being)
            over = [key for key, outcome in outcomes.items() if outcome is not CancelOutcome.CANCELLING]
            if over:
                await self._storage.cancellations.remove(connection, over)
            cascading = [
                by_key[key] for key in over if outcomes[key] is CancelOutcome.CANCELLED and by_key[key].cascades
            ]
            further = await self._storage.cancellations.request_children(connection, cascading) if cascading else []
        self._deliveries.wake(Delivered(woken=woken(steps)))
        return outcomes, further


def _with_parent(states: dict[WorkflowKey, WorkflowState], key: WorkflowKey, step: Step) -> list[Step]:
    states[key] = step.state
    told = child.outcome(step)
    heard = receive_all(states, [told]) if told else []
    return [step, *(each for each in heard if each is not None)]


def _decide(state: WorkflowState, request: CancellationRequest, *, at_last: bool) -> tuple[CancelOutcome, Step | None]:
    """Return what a request does to a workflow in ``state``."""
    if state.status.is_terminal:
        return CancelOutcome.ALREADY_TERMINAL, None
    if state.status is WorkflowStatus.RUNNING:
        moved = replace(state, status=WorkflowStatus.CANCELLING, has_dependents=True)
        return CancelOutcome.CANCELLING, Step(moved, ())
    if state.status is WorkflowStatus.CANCELLING and not at_last:
        return CancelOutcome.CANCELLING, None
    longer, events = extended(state, _events(request))
    return CancelOutcome.CANCELLED, Step(replace(longer, status=WorkflowStatus.CANCELLED), events, error=request.reason)


def _events(request: CancellationRequest) -> list[NewEvent]:
    """Return the events of a cancellation.

    Some clients wait for WORKFLOW_EXECUTION_FAILED alone, so it comes before WORKFLOW_CANCELLED.
    """
    reason = dump(request.reason)
    failed = json_object(
        error=dump(f"Workflow cancelled: {request.reason}"), stackTrace=dump(""), failureType=dump("CANCELLED")
    )
    return [
        NewEvent(EventType.CANCELLATION_REQUESTED, json_object(reason=reason, requestedBy=dump(request.requested_by))),
        NewEvent(EventType.WORKFLOW_EXECUTION_FAILED, failed),
        NewEvent(EventType.WORKFLOW_CANCELLED, json_object(reason=reason)),
    ]
