"""Workflow executions: their states and claims.

The rules are those of the wire protocol ``flovyn.v1``. The server numbers the events of a workflow from 1 without gaps.
A workflow ends once, and later events are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.payload import Json
from server.domain.claim import Claim
from server.domain.workflow_event import Event, NewEvent, numbered


class WorkflowStatus(StrEnum):
    """The stored status of a workflow."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Whether the workflow has ended."""
        return self in _TERMINAL


_TERMINAL = frozenset({WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class NewWorkflow:
    """A workflow to insert, with its first event.

    Attributes:
        child_name: the name that its parent gives it; None without a parent.
        has_key: whether an idempotency key leads to it.
        claim: the claim of the parked poller that gets it; None for a PENDING workflow.
        trace: the stored context of the span that started it (``core.tracing``); None without a tracer.
    """

    tenant_id: UUID
    id: UUID
    kind: str
    queue: str
    input: Json
    priority_ms: int
    workflow_version: str | None
    metadata: Mapping[str, str]
    started: NewEvent
    parent_id: UUID | None = None
    child_name: str | None = None
    depth: int = 0
    has_key: bool = False
    claim: Claim | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class PollSlot:
    """A poll for one workflow of a queue; no ``kinds`` means any kind."""

    tenant_id: UUID
    queue: str
    claim: Claim
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimedWorkflow:
    """A claimed workflow, as its worker gets it."""

    tenant_id: UUID
    id: UUID
    kind: str
    queue: str
    input: Json
    priority_ms: int
    workflow_version: str | None
    last_sequence: int
    created_at: datetime
    claimed_at: datetime
    claim_id: UUID
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class WorkflowState:
    """The state of a workflow, read under its row lock.

    Attributes:
        last_sequence: the number of the newest event.
        dispatched_sequence: the number of the newest event at the last claim.
        waking_sequence: the number of the newest waking event from outside. If it is greater than
            ``dispatched_sequence``, the present holder may not have seen the event, and must not suspend the workflow.
        has_dependents: whether rows of other tables may have to be cleared up when the workflow ends.
        history_bytes: the approximate size of all events on the wire.
        claim_id: the present claim. Like ``submission_digest``, it is a text, because it is only compared.
        held_by: the holder of the present claim.
        contested: above zero, the number of claims in a row that ended without a submission; below zero, the number of
            suspensions in a row by workers that seem not to know the history.
        submission_digest: the digest of the last applied submission.
        age: seconds from its start to the lock.
        trace: the stored context of the span that started it (``core.tracing``).
    """

    tenant_id: UUID
    id: UUID
    kind: str
    queue: str
    status: WorkflowStatus
    last_sequence: int
    dispatched_sequence: int
    waking_sequence: int
    has_dependents: bool = False
    signal_count: int = 0
    parent_id: UUID | None = None
    child_name: str | None = None
    depth: int = 0
    history_bytes: int = 0
    claim_id: str | None = None
    held_by: str | None = None
    contested: int = 0
    submission_digest: str | None = None
    age: float = 0.0
    trace: str | None = None


def extended(state: WorkflowState, events: Sequence[NewEvent]) -> tuple[WorkflowState, tuple[Event, ...]]:
    """Return the state after new events, and the events with their numbers."""
    size = state.history_bytes + sum(event.size for event in events)
    last = state.last_sequence + len(events)
    return replace(state, last_sequence=last, history_bytes=size), numbered(state.last_sequence, events)
