"""A worker's report on one activation of a workflow, how workflows end, and what either changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from uuid import UUID

from core.payload import Json
from server.domain.command import Command
from server.domain.effects import Effects
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.domain.workflow_event import Event, NewEvent


class SubmissionOutcome(StrEnum):
    """What a worker says its activation came to."""

    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a workflow ends: its terminal event and what is kept on the workflow itself."""

    status: WorkflowStatus
    event: NewEvent
    output: Json | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """The holder that sent a submission: connection and principal.

    ``has_read`` says that it has read this workflow's history, or tried to; ``read_under`` is the claim of its last
    successful read. ``has_submitted`` says that a submission of it was applied since.
    """

    held_by: str
    has_read: bool = False
    read_under: str | None = None
    has_submitted: bool = False

    def knows(self, state: WorkflowState) -> bool:
        """Return whether the sender has read the history under the present claim, as workers do in every activation."""
        return self.has_read and self.read_under is not None and self.read_under == state.claim_id


@dataclass(frozen=True, slots=True)
class Submission:
    """A worker's report on one activation: its commands in order, up to the first terminal one, and the outcome.

    ``ending`` is what that terminal command said, if there was one; ``weight`` the submission's size in bytes.
    ``digest`` is that of commands and outcome as they were sent; ``sent_by`` is the caller as a holder.
    """

    tenant_id: UUID
    workflow_id: UUID
    commands: tuple[Command, ...]
    outcome: SubmissionOutcome
    ending: Ending | None = None
    weight: int = 0
    digest: str | None = None
    sent_by: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowStep:
    """What a submission or an event from outside changes: numbered events and the workflow's new state."""

    state: WorkflowState
    events: tuple[Event, ...]
    output: Json | None = None
    error: str | None = None
    effects: Effects | None = None


MAX_CONTESTED = 10
"""After so many claims in a row without a submission, any submission is applied: the evidence must be wrong."""

MAX_REPLAYS = 10
"""So often in a row, a workflow is replayed whose worker begins again what is in its history."""


class Again(Enum):
    """Whether a workflow is dispatched again because a submission was ignored."""

    NO = "the sender has submitted already, or goes on"
    SOON = "the sender may be the holder: unless the holder submits soon"
    NOW = "the sender may have been the holder, and nobody else is"


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a submission changes nothing, and whether its workflow is dispatched again."""

    reason: str
    again: Again = Again.NO


def objection(state: WorkflowState, submitted: Submission, sender: Sender | None) -> Objection | None:
    """Return why a submission changes nothing; None when it is to be applied. Nothing is known without a ``sender``.

    Submissions come twice, when an answer is lost, and late, from workers whose lease is over. Workers match the
    history by position: a second copy of an operation in it lets the workflow fail. A worker that is answered does not
    submit again: where the sender may be the holder, the workflow is dispatched again.
    """
    is_repeated = submitted.digest is not None and submitted.digest == state.submission_digest
    if state.status not in (WorkflowStatus.RUNNING, WorkflowStatus.CANCELLING):
        # a copy that could not be told from the holder's submission may have come before it, and suspended the workflow
        may_be_held = (
            state.status is WorkflowStatus.WAITING and not is_repeated and not (sender and sender.has_submitted)
        )
        return Objection(f"no worker holds it: it is {state.status}", Again.NOW if may_be_held else Again.NO)
    if sender is None or state.claim_id is None or state.contested > MAX_CONTESTED:
        return None
    if sender.knows(state):
        return Objection(REPEATED) if is_repeated and sender.has_submitted else None
    if sender.held_by == state.held_by:
        return Objection(UNREAD, Again.NOW) if sender.has_read else None
    reason = REPEATED if is_repeated else _others(state, submitted, sender)
    return None if reason is None else Objection(reason, Again.SOON)


def _others(state: WorkflowState, submitted: Submission, sender: Sender) -> str | None:
    """Return why a submission that does not come over the claim's connection must be another worker's."""
    if state.contested > 0:
        return "another worker holds it since an earlier claim was over"
    if state.held_by is None:
        return None
    if sender.has_read:
        return "another worker holds it since the sender's last submission"
    if submitted.outcome is SubmissionOutcome.FAILED:
        # a worker that loses the answer to its submission reports the lost connection as the workflow's failure
        return "another worker holds it, and only that one can let it fail"
    return None


REPEATED = "it repeats the last submission"
UNREAD = "its sender has not read the history since it got the workflow"


def released(state: WorkflowState) -> WorkflowStep:
    """Return the step of a workflow that is to be dispatched again; its claim ends without a submission."""
    if state.status is WorkflowStatus.WAITING:
        return WorkflowStep(replace(state, status=WorkflowStatus.PENDING), ())
    return WorkflowStep(replace(state, status=WorkflowStatus.PENDING, contested=max(state.contested, 0) + 1), ())
