"""A workflow run: its states, its history, and what a worker's submission does to it.

Rules are those of the wire protocol ``flovyn.v1``: one contiguous counter of events per run; the
server numbers events itself; a workflow ends once, and whatever comes after is ignored.
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
    """Stored status of a workflow."""

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
    """A workflow to start, with its first event.

    ``child_name`` is what a parent calls it; ``has_key`` tells that an idempotency key leads to it. ``claim``
    is that of a parked poller for which the workflow is inserted; None means that the workflow is pending.
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


@dataclass(frozen=True, slots=True)
class PollSlot:
    """A waiting poller: one workflow of this queue is wanted; no kinds means any."""

    tenant_id: UUID
    queue: str
    claim: Claim
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimedWorkflow:
    """A workflow as handed to a worker."""

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


@dataclass(frozen=True, slots=True)
class WorkflowState:
    """What decides how a workflow may go on, read under the workflow's lock.

    ``dispatched_sequence`` is the newest event when the workflow was last claimed, ``waking_sequence``
    the newest event from outside that wakes it: when the latter is higher, a worker that suspends
    the workflow may not have seen it.
    ``has_dependents`` tells that rows of other tables may have to be cleared up when the workflow ends.
    ``history_bytes`` is about what its events take on the wire.
    ``claim_id`` and ``held_by`` are those of the present claim; ``contested`` counts the claims in a row that ended
    without a submission, and below zero the suspensions in a row by workers that seem not to know the history.
    ``submission_digest`` is that of the last submission that was applied. Both ids are texts: they are only compared,
    and every submission reads them.
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


def extended(state: WorkflowState, events: Sequence[NewEvent]) -> tuple[WorkflowState, tuple[Event, ...]]:
    """Give events the numbers that follow a workflow's last one; return the workflow with them, and them."""
    grown = state.history_bytes + sum(event.size for event in events)
    last = state.last_sequence + len(events)
    return replace(state, last_sequence=last, history_bytes=grown), numbered(state.last_sequence, events)
