"""Decides what a worker's submission does to its workflow.

A submission is decided whole before anything is written. What follows its first terminal command is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from server.domain.command import Cancel, Command, Complete, Fail
from server.domain.submission import MAX_REPLAYS, Ending, Submission, SubmissionOutcome, WorkflowStep
from server.domain.workflow import WorkflowState, WorkflowStatus, extended
from server.engine.submission.command_table import HANDLERS
from server.engine.submission.drafts import Draft, Known
from server.engine.submission.endings import WITHOUT_COMMAND, cancelled, completed, failed


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
    """Turn a worker's commands into a submission. What follows the first terminal command is ignored."""
    for index, command in enumerate(commands):
        if type(command) in _ENDINGS:
            ending = _ENDINGS[type(command)](command)
            return Submission(tenant_id, workflow_id, tuple(commands[:index]), outcome, ending, weight, digest, sent_by)
    return Submission(tenant_id, workflow_id, tuple(commands), outcome, None, weight, digest, sent_by)


def decide(
    state: WorkflowState, submitted: Submission, known: Known, max_history: int | None = None, *, has_read: bool = True
) -> WorkflowStep | None:
    """Return what a submission does to a workflow in ``state``; None when it must change nothing.

    ``known`` holds what exists of what the commands name, and takes in what they create. ``objection`` has nothing
    against the submission. A submission to an ended workflow is ignored, and so is one to a workflow that is being
    cancelled, unless it completes the workflow. If the history would exceed ``max_history`` bytes, the workflow fails
    and no command is carried out. ``has_read`` is false if the worker is known not to have read the history since it
    got the workflow.

    Raises:
        WrongState: a command names a task of another workflow or kind.
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
    known.absorb(draft.known)
    longer, events = extended(state, [*draft.events, ending.event] if ending else draft.events)
    waking = longer.last_sequence if draft.must_see else state.waking_sequence
    status = ending.status if ending else _next_status(state, waking, submitted.outcome)
    is_blind = status is WorkflowStatus.WAITING and waking > 0 and -state.contested < _replays(draft, has_read=has_read)
    moved = replace(
        longer,
        waking_sequence=waking,
        status=WorkflowStatus.PENDING if is_blind else status,
        has_dependents=state.has_dependents or bool(draft.effects),
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
    """Return how often in a row a workflow is replayed whose worker suspends it without knowing its history.

    A worker that gets no history goes on from an empty one: it waits for what has come already, and nothing would wake
    it any more. A replay too many is harmless. One that always comes to the same must be the last.
    """
    if draft.repeats:
        return MAX_REPLAYS
    return 0 if has_read else 1


def _has_completed(submitted: Submission) -> bool:
    return submitted.outcome is SubmissionOutcome.COMPLETED and submitted.ending is not None


def _ending(submitted: Submission) -> Ending | None:
    """Return how the workflow ends; where outcome and command disagree, the outcome decides."""
    if submitted.outcome not in WITHOUT_COMMAND:
        return None
    made_up = WITHOUT_COMMAND[submitted.outcome]
    given = submitted.ending
    return given if given is not None and given.status is made_up.status else made_up


def _outgrown(size: int, limit: int) -> Ending:
    text = f"the history would have grown to {size} bytes; engine.max_history_bytes of the server allows {limit}"
    return failed(text, "", "HISTORY_LIMIT")


def _next_status(state: WorkflowState, waking_sequence: int, outcome: SubmissionOutcome) -> WorkflowStatus:
    if outcome is SubmissionOutcome.RUNNING or state.status is not WorkflowStatus.RUNNING:
        # only a claimed workflow can be suspended; a late report must not park one that waits for a worker
        return state.status
    return WorkflowStatus.PENDING if waking_sequence > state.dispatched_sequence else WorkflowStatus.WAITING


_ENDINGS: Mapping[type, Callable[[Any], Ending]] = {
    Complete: lambda command: completed(command.output),
    Fail: lambda command: failed(command.error, command.stack_trace, command.failure_type),
    Cancel: lambda command: cancelled(command.reason),
}
