"""Cancellation of workflows, and then of their children.

A workflow without a holder is cancelled at once. A workflow with a holder becomes CANCELLING, and ends when its worker
submits or its lease is over; a termination does not wait for the worker. A request is stored until its workflow has
ended, so that a crash between the transactions of a parent and of its children loses no request. Children are locked
in a later transaction than their parent: a transaction locks all its workflows by one statement, in the order of their
ids, or it could deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.payload import dump, json_object
from server.domain import child
from server.domain.cancellation import CancellationRequest, CancelOutcome
from server.domain.delivery import receive_all
from server.domain.submission import WorkflowStep
from server.domain.workflow import WorkflowState, WorkflowStatus, extended
from server.domain.workflow_event import EventType, NewEvent
from server.engine.submission.step_writer import StepWriter
from server.engine.workflows.claims import unknown_workflow
from server.engine.workflows.deliveries import Deliveries
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey

BATCH = 200
"""The number of requests in one transaction."""

MOST_SHOWN = 10_001
"""The number of workflows in an answer: the cancelled one and its descendants."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The outcome of a request, and the descendants that were cancelled, or are CANCELLING, with the workflow."""

    outcome: CancelOutcome
    children: tuple[WorkflowKey, ...] = ()


class Cancellation:
    """The calls about cancellation."""

    def __init__(self, storage: Repositories, deliveries: Deliveries) -> None:
        self._storage = storage
        self._writer = StepWriter(storage)
        self._deliveries = deliveries

    async def cancel(self, request: CancellationRequest) -> Cancelled:
        """Cancel a workflow; committed when this returns. A repeated request gets the answer of the first one.

        Raises:
            NotFound: the tenant has no such workflow.
        """
        return await self._carry_out_one(request, ends=False)

    async def terminate(self, request: CancellationRequest) -> Cancelled:
        """End a workflow as CANCELLED without waiting for its worker, whose submission then changes nothing.

        Its tasks, timers and promises end as after a cancellation, and its children are cancelled. See ``cancel``.
        """
        return await self._carry_out_one(request, ends=True)

    async def end_all(self, requests: Sequence[CancellationRequest], *, at_once: bool) -> int:
        """Cancel workflows in one transaction, then their children; return how many had not ended.

        ``at_once`` says that no worker is waited for, as in ``terminate``. Unknown workflows are left out.
        """
        outcomes, further = await self._carry_out(requests, ends=at_once)
        await self._carry_out_all(further, ends=False)
        return sum(outcome is not CancelOutcome.ALREADY_TERMINAL for outcome in outcomes.values())

    async def _carry_out_one(self, request: CancellationRequest, *, ends: bool) -> Cancelled:
        outcomes, further = await self._carry_out([request], ends=ends)
        key = (request.tenant_id, request.workflow_id)
        if key not in outcomes:
            raise unknown_workflow(request.workflow_id)
        while further:
            _, further = await self._carry_out(further, ends=False)
        if outcomes[key] is CancelOutcome.CANCELLING:
            return Cancelled(CancelOutcome.CANCELLING)
        return await self._ended(request)

    async def _ended(self, request: CancellationRequest) -> Cancelled:
        """Return the answer for a workflow that has ended, the same for all requests.

        Another call may have ended the workflow and still be cancelling its children. So this call carries out their
        requests, too, and both calls return all descendants.
        """
        workflow = (request.tenant_id, request.workflow_id)
        requests = self._storage.cancellations
        for _ in range(child.MAX_DEPTH + 1):
            async with self._storage.database.connection() as connection:
                outstanding = await requests.outstanding_below(connection, workflow, BATCH) if request.cascades else []
                family = await requests.cancelled_family(connection, workflow, MOST_SHOWN)
            if not outstanding:
                break
            await self._carry_out_all(outstanding, ends=False)
        if not family:
            return Cancelled(CancelOutcome.ALREADY_TERMINAL)
        return Cancelled(CancelOutcome.CANCELLED, tuple(family[1:]) if request.cascades else ())

    async def finish(self, workflows: Sequence[WorkflowKey]) -> None:
        """End CANCELLING workflows whose workers have submitted."""
        async with self._storage.database.connection() as connection:
            requests = await self._storage.cancellations.of_workflows(connection, workflows)
        await self._carry_out_all(requests, ends=True)

    async def carry_out_requests(self) -> tuple[int, bool]:
        """Carry out a batch of stored requests; return their number, and whether there may be more."""
        async with self._storage.database.connection() as connection:
            requests = await self._storage.cancellations.outstanding(connection, BATCH)
        await self._carry_out_all(requests, ends=False)
        return len(requests), len(requests) == BATCH

    async def reclaim(self, lease: float) -> int:
        """End CANCELLING workflows whose claims are older than ``lease`` seconds; return their number."""
        async with self._storage.database.connection() as connection:
            requests = await self._storage.cancellations.overdue(connection, lease, BATCH)
        await self._carry_out_all(requests, ends=True)
        return len(requests)

    async def _carry_out_all(self, requests: Sequence[CancellationRequest], *, ends: bool) -> None:
        further = requests
        while further:
            _, further = await self._carry_out(further, ends=ends)
            ends = False

    async def _carry_out(
        self, requests: Sequence[CancellationRequest], *, ends: bool
    ) -> tuple[dict[WorkflowKey, CancelOutcome], Sequence[CancellationRequest]]:
        """Carry out requests in one transaction; return their outcomes, and the requests for children that they cause.

        ``ends`` says that workflows end whose workers have not submitted.
        """
        by_key = {(each.tenant_id, each.workflow_id): each for each in requests}
        async with self._deliveries.dispatching() as dispatch, self._storage.database.transaction() as connection:
            states = await self._storage.workflows.lock_with_parents(connection, list(by_key))
            outcomes: dict[WorkflowKey, CancelOutcome] = {}
            steps: list[WorkflowStep] = []
            for key, request in by_key.items():
                if key in states:
                    outcomes[key], step = _decide(states[key], request, ends=ends)
                    steps += [] if step is None else _with_parent(states, key, step)
            await self._writer.write(connection, steps, dispatch)
            cancelling = [by_key[key] for key, outcome in outcomes.items() if outcome is CancelOutcome.CANCELLING]
            if cancelling:
                await self._storage.cancellations.request(connection, cancelling)
            ended = [key for key, outcome in outcomes.items() if outcome is not CancelOutcome.CANCELLING]
            if ended:
                await self._storage.cancellations.remove(connection, ended)
            cascading = [
                by_key[key] for key in ended if outcomes[key] is CancelOutcome.CANCELLED and by_key[key].cascades
            ]
            further = await self._storage.cancellations.request_children(connection, cascading) if cascading else []
        return outcomes, further


def _with_parent(states: dict[WorkflowKey, WorkflowState], key: WorkflowKey, step: WorkflowStep) -> list[WorkflowStep]:
    states[key] = step.state
    delivery = child.outcome(step)
    parent_steps = receive_all(states, [delivery]) if delivery else []
    return [step, *(each for each in parent_steps if each is not None)]


def _decide(
    state: WorkflowState, request: CancellationRequest, *, ends: bool
) -> tuple[CancelOutcome, WorkflowStep | None]:
    """Return the outcome of a request for a workflow in ``state``, and the step that it causes."""
    if state.status.is_terminal:
        return CancelOutcome.ALREADY_TERMINAL, None
    if state.status is WorkflowStatus.RUNNING and not ends:
        moved = replace(state, status=WorkflowStatus.CANCELLING, has_dependents=True)
        return CancelOutcome.CANCELLING, WorkflowStep(moved, ())
    if state.status is WorkflowStatus.CANCELLING and not ends:
        return CancelOutcome.CANCELLING, None
    longer, events = extended(state, _events(request))
    return CancelOutcome.CANCELLED, WorkflowStep(
        replace(longer, status=WorkflowStatus.CANCELLED), events, error=request.reason
    )


def _events(request: CancellationRequest) -> list[NewEvent]:
    """Return the events of a cancellation.

    Some clients wait only for WORKFLOW_EXECUTION_FAILED, so that it comes before WORKFLOW_CANCELLED.
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
