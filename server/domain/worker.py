"""Workers and the definitions that they register."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from core.payload import Json

WorkerKey = tuple[UUID, str]
"""Tenant, and the id or the name of a worker."""


class Category(StrEnum):
    """The category of work: workflow executions, task executions or agents."""

    WORKFLOW = "WORKFLOW"
    TASK = "TASK"
    AGENT = "AGENT"


@dataclass(frozen=True, slots=True)
class Definition:
    """A kind of workflow, task or agent, as a worker registers it."""

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
    """The registration of a worker. A second registration of the same name keeps the first id."""

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
