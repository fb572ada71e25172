"""Requests to cancel workflows, and their outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class CancellationRequest:
    """A request to cancel a workflow; with ``cascades``, its open children are cancelled after it."""

    tenant_id: UUID
    workflow_id: UUID
    reason: str
    requested_by: str
    cascades: bool = True


@dataclass(frozen=True, slots=True)
class ChildCancellation:
    """A parent's request to cancel one child. ``child_id`` identifies the child; None means the one of that name."""

    tenant_id: UUID
    parent_id: UUID
    child_id: UUID | None
    name: str
    reason: str
    requested_by: str


class CancelOutcome(StrEnum):
    """The outcome of a request; CANCELLING means that the worker still holds the workflow."""

    CANCELLED = "CANCELLED"
    CANCELLING = "CANCELLING"
    ALREADY_TERMINAL = "ALREADY_TERMINAL"
