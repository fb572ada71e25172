"""Agents as REST shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.payload import Json


@dataclass(frozen=True, slots=True)
class AgentView:
    """All details of an agent; ``checkpoint_seq`` is 0 without a checkpoint."""

    id: UUID
    tenant_id: UUID
    kind: str
    queue: str
    status: str
    persistence_mode: str
    input: Json
    output: Json | None
    error: str | None
    failure_type: str | None
    stack_trace: str | None
    metadata: Json
    parent_id: UUID | None
    checkpoint_seq: int
    worker_id: str | None
    wait_kind: str | None
    wait_name: str | None
    wait_ids: list[UUID] | None
    wait_reason: str | None
    signal_count: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SignalView:
    """A signal of an agent, consumed or not."""

    number: int
    id: UUID
    name: str
    value: Json
    sender_id: UUID | None
    created_at: datetime
    consumed_at: datetime | None


@dataclass(frozen=True, slots=True)
class AgentFilter:
    """A filter for agents; None matches any value. ``metadata`` is a JSON object that must be contained."""

    tenant_id: UUID
    status: str | None = None
    kind: str | None = None
    queue: str | None = None
    parent_id: UUID | None = None
    metadata: Json | None = None
