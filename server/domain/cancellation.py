"""The request to cancel a workflow, and what comes of it under the workflow's lock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True)
class CancellationRequest:
    """A workflow to cancel, and whether its open children are to be cancelled after it."""

    tenant_id: UUID
    workflow_id: UUID
    reason: str
    requested_by: str
    cascades: bool = True


@dataclass(frozen=True, slots=True)
class ChildCancellation:
    """A child to cancel as its parent names it: by id, otherwise by name."""

    tenant_id: UUID
    parent_id: UUID
    child_id: UUID | None
    name: str
    reason: str
    requested_by: str


class CancelOutcome(StrEnum):
    """What became of a request."""

    CANCELLED = "CANCELLED"
    CANCELLING = "CANCELLING"
    ALREADY_TERMINAL = "ALREADY_TERMINAL"
