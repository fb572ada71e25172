"""Audit events of a workflow: requests by users. They are not in the history, because workers misread unknown types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from core.payload import Json, dump, json_object
from server.domain.cancellation import ChildCancellation


class AuditType(StrEnum):
    """The type of the request."""

    RETRY_REQUESTED = "RETRY_REQUESTED"
    CHILD_WORKFLOW_CANCELLATION_REQUESTED = "CHILD_WORKFLOW_CANCELLATION_REQUESTED"


@dataclass(frozen=True, slots=True)
class NewAuditEvent:
    """An event to store beside a workflow's history."""

    tenant_id: UUID
    workflow_id: UUID
    type: AuditType
    data: Json


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A stored event, as REST shows it."""

    id: int
    type: str
    data: Json
    created_at: datetime


def retry_requested(
    tenant_id: UUID, workflow_id: UUID, attempt: int, note: str | None, requested_by: str
) -> NewAuditEvent:
    """Return the event of a retry by hand."""
    data = json_object(attempt=dump(attempt), note=None if note is None else dump(note), requestedBy=dump(requested_by))
    return NewAuditEvent(tenant_id, workflow_id, AuditType.RETRY_REQUESTED, data)


def cancellations_requested(children: Sequence[ChildCancellation]) -> list[NewAuditEvent]:
    """Return one event per cancelled child, in its parent. The child may not exist: the request is recorded anyway."""
    return [
        NewAuditEvent(
            child.tenant_id,
            child.parent_id,
            AuditType.CHILD_WORKFLOW_CANCELLATION_REQUESTED,
            json_object(
                childExecutionName=dump(child.name),
                childExecutionId=None if child.child_id is None else dump(str(child.child_id)),
                reason=dump(child.reason),
            ),
        )
        for child in children
    ]
