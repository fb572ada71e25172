"""Workers and definitions as REST shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.payload import Json


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker; ``is_online`` tells that its last sign of life is recent."""

    id: UUID
    worker_name: str
    worker_version: str
    worker_type: str
    is_online: bool
    host_name: str
    process_id: str
    team_id: str | None
    registered_at: datetime
    last_heartbeat_at: datetime
    workflows: Sequence[str]
    tasks: Sequence[str]
    metadata: Json | None


@dataclass(frozen=True, slots=True)
class DefinitionView:
    """A kind of workflow or task, and the workers that can run it.

    ``online`` is the number of its ``workers`` that are online. The kind is available if all are, degraded if some are.
    """

    id: UUID
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
    workers: Sequence[str]
    online: int
    created_at: datetime
    updated_at: datetime
