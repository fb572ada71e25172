"""Promises as REST shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.payload import Json


@dataclass(frozen=True, slots=True)
class PromiseView:
    """A promise; ``ordinal`` is its place in the order of creation."""

    id: UUID
    workflow_execution_id: UUID
    name: str
    status: str
    value: Json | None
    error: str | None
    timeout_at: datetime | None
    created_at: datetime
    settled_at: datetime | None
    ordinal: int


@dataclass(frozen=True, slots=True)
class PromiseFilter:
    """A filter for promises; None matches any value. ``workflow_id`` names their workflow, else ``pending`` is set."""

    tenant_id: UUID
    workflow_id: UUID | None = None
    pending: bool | None = None
    name: str | None = None
