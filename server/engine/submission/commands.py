"""Decides submissions: the events, the effects and the new state of a workflow.

A whole submission is decided before any row is written. Commands after its first terminal command are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from server.domain.submission import MAX_REPLAYS, Command, Ending, Submission, SubmissionOutcome, WorkflowStep
from server.domain.workflow import WorkflowState, WorkflowStatus, extended
from server.engine.submission.endings import ENDINGS, WITHOUT_COMMAND, failed
from server.engine.submission.families import HANDLERS
from server.engine.submission.family import Draft, Known


def submission(
    tenant_id: UUID,
    workflow_id: UUID,
    commands: Sequence[Command],
    outcome: SubmissionOutcome,
    weight: int = 0,
    *,
    digest: str | None = None,
    sent_by: str | None = None,
) -> Submission:
    """Return the submission of a worker's commands; those after the first terminal command are ignored."""
    for index, command in enumerate(commands):
        if type(command) in ENDINGS:
            ending = ENDINGS[type(command)](command)
            return Submission(tenant_id, workflow_id, tuple(commands[:index]), outcome, ending, weight, digest, sent_by)
    return Submission(tenant_id, workflow_id, tuple(commands), outcome, None, weight, digest, sent_by)


def decide(
    state: WorkflowState, submitted: Submission, known: Known, max_history: int | None = None, *, has_read: bool = True
) -> WorkflowStep | None:
    """Return the step that a submission causes in ``state``; None if it changes nothing.

    The caller has found no ``objection``. A submission to an ended workflow changes nothing; neither does one to a
    CANCELLING workflow that does not complete it.

    Args:
        state: the workflow's state, read under its row lock.
        submitted: the submission.
        known: the existing rows that the commands name; rows that the commands create are added.
        max_history: the greatest size of a history in bytes; a larger one fails the workflow, without its commands.
        has_read: whether the worker may have read the history since it claimed the workflow.

    Raises:
        WrongState: a command names a task of another workflow or another kind.
    """
    if state.status.is_terminal or (state.status is WorkflowStatus.CANCELLING and not _has_completed(submitted)):
        return None
    draft = Draft(state, known)
    for command in submitted.commands:
        HANDLERS[type(command)](draft, command)
    ending = _ending(submitted)
    if ending is None and max_history is not None:
        size = extended(state, draft.events)[0].history_bytes
        if size > max_history:
            draft, ending = Draft(state, known), _outgrown(size, max_history)
    draft.apply()
    longer, events = extended(state, [*draft.events, ending.event] if ending else draft.events)
    waking = longer.last_sequence if draft.must_see else state.waking_sequence
    status = ending.status if ending else _next_status(state, waking, submitted.outcome)
    is_blind = status is WorkflowStatus.WAITING and waking > 0 and -state.contested < _replays(draft, has_read=has_read)
    moved = replace(
        longer,
        waking_sequence=waking,
        status=WorkflowStatus.PENDING if is_blind else status,
        has_dependents=state.has_dependents or bool(draft.effects),  # also effects of earlier submissions count
        contested=min(state.contested, 0) - 1 if is_blind else 0,
        submission_digest=submitted.digest,
    )
    return WorkflowStep(
        state=moved,
        events=events,
        output=ending.output if ending else None,
        error=ending.error if ending else None,
        effects=draft.effects,
    )


def _replays(draft: Draft, *, has_read: bool) -> int:
    """Return how often in a row a workflow is dispatched again if its worker suspends it without the history.

    A worker that gets no history goes on from an empty one: it waits for an event that is in the history already, and
    nothing would wake it. One replay too many is harmless. Replays with the same result must end.
    """
    if draft.repeats:
        return MAX_REPLAYS
    return 0 if has_read else 1


def _has_completed(submitted: Submission) -> bool:
    return submitted.outcome is SubmissionOutcome.COMPLETED and submitted.ending is not None


def _ending(submitted: Submission) -> Ending | None:
    """Return the end of the workflow, None if it goes on; if outcome and command disagree, the outcome counts."""
    if submitted.outcome not in WITHOUT_COMMAND:
        return None
    default, ending = WITHOUT_COMMAND[submitted.outcome], submitted.ending
    return ending if ending is not None and ending.status is default.status else default


def _outgrown(size: int, limit: int) -> Ending:
    text = f"the history would have grown to {size} bytes; engine.max_history_bytes of the server allows {limit}"
    return failed(text, "", "HISTORY_LIMIT")


def _next_status(state: WorkflowState, waking_sequence: int, outcome: SubmissionOutcome) -> WorkflowStatus:
    if outcome is SubmissionOutcome.RUNNING or state.status is not WorkflowStatus.RUNNING:
        # only a claimed workflow can be suspended: a late submission must not suspend a PENDING one
        return state.status
    return WorkflowStatus.PENDING if waking_sequence > state.dispatched_sequence else WorkflowStatus.WAITING
