"""Submissions: the commands and the outcome of one activation; and the rules that decide which of them count."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from uuid import UUID

from core.payload import Json
from core.tracing import OpenSpan
from server.domain.claim import Claim
from server.domain.effects import Effects
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.domain.workflow_event import Event, NewEvent


class Command:
    """A command of a submission; ``server.engine.submission`` defines the commands, one module per family."""

    __slots__ = ()


class SubmissionOutcome(StrEnum):
    """The outcome of an activation, as its worker reports it."""

    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a workflow: its status, its terminal event, and the output or error to store."""

    status: WorkflowStatus
    event: NewEvent
    output: Json | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """The holder that sent a submission: connection and principal.

    Attributes:
        held_by: the sender as a holder.
        has_read: it has read the history of this workflow, or has tried to.
        read_under: the claim at its last successful read; None without one.
        has_submitted: a submission of it was applied since.
    """

    held_by: str
    has_read: bool = False
    read_under: str | None = None
    has_submitted: bool = False

    def knows(self, state: WorkflowState) -> bool:
        """Return whether the sender has read the history under the present claim. Workers do so in every activation."""
        return self.has_read and self.read_under is not None and self.read_under == state.claim_id


@dataclass(frozen=True, slots=True)
class Submission:
    """The result of one activation.

    Attributes:
        commands: the commands in order, without the first terminal one and those after it.
        outcome: the outcome of the activation.
        ending: the end that the terminal command asks for; None without such a command.
        weight: the size in bytes.
        digest: the digest of commands and outcome, as they were sent.
        sent_by: the caller as a holder.
        span: the span of the call; None without a tracer.
    """

    tenant_id: UUID
    workflow_id: UUID
    commands: tuple[Command, ...]
    outcome: SubmissionOutcome
    ending: Ending | None = None
    weight: int = 0
    digest: str | None = None
    sent_by: str | None = None
    span: OpenSpan | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class WorkflowStep:
    """The change that a submission or a delivery causes: the new state, numbered events, and effects.

    Attributes:
        claim: the claim of the parked poller that gets the workflow; None if no poller gets it with this step.
    """

    state: WorkflowState
    events: tuple[Event, ...]
    output: Json | None = None
    error: str | None = None
    effects: Effects | None = None
    claim: Claim | None = None


MAX_CONTESTED = 10
"""After this number of claims in a row without a submission, any submission is applied: the evidence must be wrong."""

MAX_REPLAYS = 10
"""The number of times in a row that a workflow is dispatched again because its worker repeats its history."""


class Again(Enum):
    """Tells whether a workflow is dispatched again after an ignored submission."""

    NO = "the sender has submitted already, or goes on"
    SOON = "the sender may be the holder: dispatch again unless the holder submits soon"
    NOW = "the sender may have been the holder, and there is no other"


@dataclass(frozen=True, slots=True)
class Objection:
    """The reason why a submission is ignored, and whether its workflow is dispatched again."""

    reason: str
    again: Again = Again.NO


def objection(state: WorkflowState, submitted: Submission, sender: Sender | None) -> Objection | None:
    """Return the objection to a submission; None if it is to be applied. ``sender`` is None if it is unknown.

    A submission may come twice, if its answer is lost, and late, from a worker whose lease is over. Workers match the
    history by position, so that a second copy of an operation in it fails the workflow. A worker that got an answer
    does not submit again: if the sender of an ignored submission may be the holder, the workflow is dispatched again.
    """
    is_repeated = submitted.digest is not None and submitted.digest == state.submission_digest
    if state.status not in (WorkflowStatus.RUNNING, WorkflowStatus.CANCELLING):
        # a copy that looked like the holder's submission may have come first and have suspended the workflow
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
    """Return why a submission over another connection comes from another worker; None if it may be the holder's."""
    if state.contested > 0:
        return "another worker holds it since an earlier claim was over"
    if state.held_by is None:
        return None
    if sender.has_read:
        return "another worker holds it since the sender's last submission"
    if submitted.outcome is SubmissionOutcome.FAILED:
        # a worker that loses the answer to its submission reports the lost connection as a failure of the workflow
        return "another worker holds it, and only that one can let it fail"
    return None


REPEATED = "it repeats the last submission"
UNREAD = "its sender has not read the history since it got the workflow"


def released(state: WorkflowState) -> WorkflowStep:
    """Return the step that makes a workflow PENDING again; its claim ends without a submission."""
    if state.status is WorkflowStatus.WAITING:
        return WorkflowStep(replace(state, status=WorkflowStatus.PENDING), ())
    return WorkflowStep(replace(state, status=WorkflowStatus.PENDING, contested=max(state.contested, 0) + 1), ())
