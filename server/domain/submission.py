"""A worker's report on one activation of a workflow, how workflows end, and what either changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
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

    ``has_read`` says that it has read this workflow's history under a claim; ``read_under`` is the claim of its last
    such read, None when it has submitted since.
    """

    held_by: str
    has_read: bool = False
    read_under: str | None = None

    def acts_for(self, state: WorkflowState) -> bool:
        """Return whether the sender is the worker of the present claim: it has read the history under this claim.

        Workers read it in every activation. A sender that has never read it must be the claim's own connection.
        """
        return self.read_under == state.claim_id if self.has_read else self.held_by == state.held_by


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


MAX_CONTESTED = 3
"""After so many claims in a row without a submission, any submission is applied: the evidence must be wrong."""

REPEATED = "it repeats the last submission"


def objection(  # noqa: PLR0911 - one return per rule
    state: WorkflowState, submitted: Submission, sender: Sender | None
) -> str | None:
    """Return why a submission changes nothing; None when it is to be applied. Nothing is known without a ``sender``.

    Submissions come twice, when an answer is lost, and late, from workers whose lease is over. Workers match the
    history by position: a second copy of an operation in it lets the workflow fail.
    """
    if state.status not in (WorkflowStatus.RUNNING, WorkflowStatus.CANCELLING):
        return f"no worker holds it: it is {state.status}"
    if sender is None or state.claim_id is None or state.contested > MAX_CONTESTED or sender.acts_for(state):
        return None
    if submitted.digest is not None and submitted.digest == state.submission_digest:
        return REPEATED
    if state.contested:
        return "another worker holds it since an earlier claim was over"
    if sender.held_by != state.held_by and state.held_by is not None:
        if sender.has_read:
            return "another worker holds it since the sender's last submission"
        if submitted.outcome is SubmissionOutcome.FAILED:
            # a worker that loses the answer to its submission reports the lost connection as the workflow's failure
            return "another worker holds it, and only that one can let it fail"
    return None


def released(state: WorkflowState) -> WorkflowStep:
    """Return the step of a claim that ends without a submission of its own: another worker is to get the workflow."""
    return WorkflowStep(replace(state, status=WorkflowStatus.PENDING, contested=state.contested + 1), ())
