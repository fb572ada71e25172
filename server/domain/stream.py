"""What tasks stream while they run: chunks for whoever watches at that moment, kept by nobody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class ChunkKind(StrEnum):
    """Kinds of chunks; the name of the event that a watcher sees."""

    TOKEN = "token"  # noqa: S105 - a piece of text, not a secret
    PROGRESS = "progress"
    DATA = "data"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece; ``payload`` is passed on verbatim. ``workflow_id`` is None for a standalone task."""

    tenant_id: UUID
    workflow_id: UUID | None
    task_id: UUID
    kind: ChunkKind
    payload: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a watcher sees: a chunk, or a change of state."""

    workflow_id: UUID | None
    kind: ChunkKind
    payload: str
