"""A worker process and what it says it can run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from core.payload import Json

WorkerKey = tuple[UUID, str]
"""Tenant, and what a worker calls itself: its id or its name."""


class Category(StrEnum):
    """What a definition defines."""

    WORKFLOW = "WORKFLOW"
    TASK = "TASK"


@dataclass(frozen=True, slots=True)
class Definition:
    """A kind of workflow or task as a worker announces it."""

    category: Category
    kind: str
    name: str
    description: str
    version: str
    content_hash: str
    timeout_seconds: int | None
    cancellable: bool
    tags: Json
    retry_policy: Json | None
    input_schema: Json | None
    output_schema: Json | None
    metadata: Json | None


@dataclass(frozen=True, slots=True)
class Registration:
    """A worker's announcement of itself. Names are reused: the id that is stored first stays."""

    tenant_id: UUID
    worker_id: UUID
    worker_name: str
    worker_version: str
    worker_type: str
    team_id: str | None
    host_name: str
    process_id: str
    metadata: Json | None
    definitions: tuple[Definition, ...]
