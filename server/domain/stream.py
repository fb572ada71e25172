"""Chunks that running tasks stream to present subscribers. Chunks are not stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class ChunkKind(StrEnum):
    """The kind of a chunk, which is also the event name in a stream."""

    TOKEN = "token"  # noqa: S105 - a piece of text, not a secret
    PROGRESS = "progress"
    DATA = "data"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of a task's stream; ``payload`` is passed on unchanged. A standalone task has no ``workflow_id``."""

    tenant_id: UUID
    workflow_id: UUID | None
    task_id: UUID
    kind: ChunkKind
    payload: str


@dataclass(frozen=True, slots=True)
class StreamItem:
    """One item of a stream, as subscribers get it: a chunk, or a state change."""

    workflow_id: UUID | None
    kind: ChunkKind
    payload: str
