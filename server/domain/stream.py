"""Chunks that running tasks and agents stream to present subscribers. Chunks are not stored."""

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
    TOOL_START = "tool_start"
    TOOL_END = "tool_end"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of the stream of a task or of an agent; ``payload`` is passed on unchanged.

    ``workflow_id`` and ``agent_id`` are the owners of the task. The chunk of an agent itself has no ``task_id``.
    """

    tenant_id: UUID
    workflow_id: UUID | None
    task_id: UUID | None
    kind: ChunkKind
    payload: str
    agent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class StreamItem:
    """One item of a stream, as subscribers get it: a chunk, or a state change. ``kind`` is the name of its event."""

    workflow_id: UUID | None
    kind: str
    payload: str
    agent_id: UUID | None = None
    task_id: UUID | None = None
