"""Records of agents: entries of conversations, checkpoints, signals, and facts about tasks and children."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_OID, UUID, uuid5

from core.payload import Json
from server.domain.agent import AgentStatus
from server.domain.task import TaskStatus


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to append."""

    tenant_id: UUID
    agent_id: UUID
    id: UUID
    parent_id: UUID | None
    entry_type: str
    role: str | None
    content: Json
    turn_id: str | None
    token_usage: Json | None

    @property
    def size(self) -> int:
        """Return the size of the content in characters."""
        return len(self.content)


def entry_id(agent_id: UUID, key: str) -> UUID:
    """Return the id of the entry of a key: the key itself if it is a UUID, otherwise one that agent and key give."""
    try:
        return UUID(key)
    except ValueError:
        return uuid5(agent_id, key)


def task_id(key: str) -> UUID:
    """Return the id of the task of a key; workers compute the same id."""
    return uuid5(NAMESPACE_OID, key)


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored entry; ``number`` is the order of arrival."""

    number: int
    id: UUID
    parent_id: UUID | None
    entry_type: str
    role: str | None
    content: Json
    turn_id: str | None
    token_usage: Json | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewCheckpoint:
    """A checkpoint to insert."""

    tenant_id: UUID
    agent_id: UUID
    sequence: int
    id: UUID
    leaf_entry_id: str | None
    state: Json
    token_usage: Json | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A stored checkpoint."""

    id: UUID
    agent_execution_id: UUID
    sequence: int
    leaf_entry_id: str | None
    state: Json
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewSignal:
    """A signal to queue; ``sender_id`` is the child that sends it."""

    tenant_id: UUID
    agent_id: UUID
    id: UUID
    name: str
    value: Json
    sender_id: UUID | None = None

    @property
    def size(self) -> int:
        """Return the size of the value in characters."""
        return len(self.value)


@dataclass(frozen=True, slots=True)
class AgentSignal:
    """A signal that its agent consumes."""

    number: int
    id: UUID
    name: str
    value: Json
    sender_id: UUID | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OwnedTask:
    """The present state of a task, and of the agent that owns it; None without an agent."""

    id: UUID
    agent_id: UUID | None
    agent_status: AgentStatus | None
    status: TaskStatus
    output: Json | None
    error: str | None


@dataclass(frozen=True, slots=True)
class ChildFact:
    """The present state of a child agent."""

    id: UUID
    parent_id: UUID | None
    status: AgentStatus
    output: Json | None
    error: str | None
    completed_at: datetime | None


def name_pattern(pattern: str) -> str:
    """Return the regular expression of PostgreSQL for a pattern of names of signals.

    ``**`` stands for one or more of any character, ``*`` for one or more characters other than a dot, and every other
    character for itself. PostgreSQL matches such an expression in linear time; Python's backtracking would not.
    """
    parts = re.split(r"(\*\*|\*)", pattern)
    translated = {"**": ".+", "*": "[^.]+"}
    return f"^{''.join(translated.get(part, re.escape(part)) for part in parts)}$"
