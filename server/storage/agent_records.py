"""Records of agents: entries, checkpoints, signals and tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from core.connection import DatabaseConnection
from core.errors import NotFound
from core.named_queries import named_queries
from core.plugin_services import Database
from server.domain.agent import AgentStatus
from server.domain.agent_records import AgentSignal, Checkpoint, Entry, NewCheckpoint, NewEntry, NewSignal, OwnedTask
from server.domain.task import TaskStatus
from server.storage.agents import AgentKey
from server.storage.columns import columns
from server.storage.poll_slots import uuid_array
from server.storage.rows import NAMED, SCALAR, fetch, keyed_row, read, record_row
from server.storage.tasks import TaskKey
from server.storage.workflows import key_columns

_SQL = named_queries(__package__, "agent_records.sql")
_ENTRY = record_row(Entry)
_LATEST = keyed_row(Checkpoint, "place", "found")
_SIGNAL = keyed_row(AgentSignal, "place")


def _agent_status(text: str | None) -> AgentStatus | None:
    return None if text is None else AgentStatus(text)


_TASK = keyed_row(OwnedTask, "tenant_id", status=TaskStatus, agent_status=_agent_status)

Owners = Callable[[], Awaitable[dict[TaskKey, UUID | None]]]
"""Returns the agents of the tasks that exist; None for a task without an agent."""

PAGE_ENTRIES = 200
"""The greatest number of entries in a page."""

PAGE_BYTES = 1024 * 1024
"""A page of entries ends with the entry whose content exceeds this size, in bytes."""

FIRST_ENTRIES, FIRST_BYTES = 100, 64 * 1024
"""The same for the first pages of many agents, which are read together."""

SIGNAL_BYTES = 3 * 1024 * 1024
"""The same for the signals of one answer: clients take answers up to 4 MiB."""


@dataclass(frozen=True, slots=True)
class Appended:
    """The facts about an entry that was to be appended.

    Attributes:
        is_new: it was inserted.
        status: the status of its agent; None for an unknown agent.
        owner_id: the agent that has an entry of its id; None if there is none.
        parent_owner_id: the agent that has its parent; None if there is none.
    """

    is_new: bool
    status: AgentStatus | None
    owner_id: UUID | None
    parent_owner_id: UUID | None


@dataclass(frozen=True, slots=True)
class FirstPage:
    """The first entries of an agent, and whether it has more."""

    entries: list[Entry]
    has_more: bool


@dataclass(frozen=True, slots=True)
class SignalQuery:
    """Signals that are wanted: of a name, of names that match an expression of PostgreSQL, or of some senders."""

    agent: AgentKey
    count: int
    name: str | None = None
    expression: str | None = None
    senders: tuple[UUID, ...] | None = None


class AgentRecordRepository:
    """Reads and writes ``agent_entry``, ``agent_checkpoint``, ``agent_signal``, and the tasks of agents."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entries: Sequence[NewEntry]) -> list[Appended]:
        """Insert entries that can be appended; return the facts about each. Of equal ids, the first one counts.

        Raises:
            NotFound: an agent was deleted at this moment; nothing was inserted.
        """
        parameters = columns(entries, "tenant_id", "agent_id", "id", "parent_id", "entry_type", "role", "content")
        parameters |= columns(entries, "turn_id", "token_usage")
        asked = columns(entries, "tenant_id", "agent_id", "id", "parent_id")
        try:
            async with self._database.transaction() as connection:
                inserted = await connection.cursor(row_factory=NAMED).execute(_SQL["append"], parameters)
                facts = await connection.cursor(row_factory=NAMED).execute(_SQL["append_facts"], asked)
                new = {(row.tenant_id, row.id) for row in await inserted.fetchall()}
                found = {row.place: row for row in await facts.fetchall()}
        except psycopg.errors.ForeignKeyViolation:
            raise NotFound("an agent of these entries was deleted") from None
        appended = []
        for place, entry in enumerate(entries, 1):
            row, key = found[place], (entry.tenant_id, entry.id)
            status = _agent_status(row.status)
            appended.append(Appended(key in new, status, row.owner_id, row.parent_owner_id))
            new.discard(key)
        return appended

    async def entries(self, agent: AgentKey, after: int, limit: int = PAGE_ENTRIES) -> list[Entry]:
        """Return a page of the entries of an agent after a number, in the order of their arrival."""
        parameters = {"after": after, "limit": limit, "bytes": PAGE_BYTES, **_agent(agent)}
        return await read(self._database, _ENTRY, _SQL["entries"], parameters)

    async def first_entries(self, agents: Sequence[AgentKey]) -> list[FirstPage | None]:
        """Return the first entries of each agent; None for an unknown agent."""
        limits = {"limit": FIRST_ENTRIES, "bytes": FIRST_BYTES}
        rows = await read(self._database, NAMED, _SQL["first_entries"], {**_agents(agents), **limits})
        of_agent: dict[int, list[Any]] = defaultdict(list)
        for row in rows:
            of_agent[row.place].append(row)
        return [_first_page(of_agent[place]) for place in range(1, len(agents) + 1)]

    async def entry_number(self, agent: AgentKey, entry_id: UUID) -> int | None:
        """Return the number of an agent's entry; None if the agent has no such entry."""
        rows = await read(self._database, SCALAR, _SQL["entry_number"], {"id": entry_id, **_agent(agent)})
        return rows[0] if rows else None

    async def checkpoint(self, connection: DatabaseConnection, checkpoints: Sequence[NewCheckpoint]) -> None:
        """Insert checkpoints of locked agents."""
        parameters = columns(
            checkpoints, "tenant_id", "agent_id", "sequence", "id", "leaf_entry_id", "state", "token_usage"
        )
        await connection.execute(_SQL["checkpoint"], parameters)

    async def latest_checkpoints(self, agents: Sequence[AgentKey]) -> list[tuple[bool, Checkpoint | None]]:
        """Return for each agent whether it exists, and its newest checkpoint; None without one."""
        rows = await read(self._database, _LATEST, _SQL["latest_checkpoints"], _agents(agents))
        return [(found, None if checkpoint.id is None else checkpoint) for (_, found), checkpoint in rows]

    async def signal(self, connection: DatabaseConnection, signals: Sequence[NewSignal]) -> None:
        """Queue signals at locked agents, in order."""
        await connection.execute(
            _SQL["signal"], columns(signals, "tenant_id", "agent_id", "id", "name", "value", "sender_id")
        )

    async def open_signals(
        self, connection: DatabaseConnection, queries: Sequence[SignalQuery]
    ) -> list[list[AgentSignal]]:
        """Return the signals that each query about a locked agent finds, the oldest first."""
        parameters = columns(queries, "name", "expression", "count")
        parameters["tenant_id"] = [query.agent[0] for query in queries]
        parameters["agent_id"] = [query.agent[1] for query in queries]
        parameters["senders"] = [uuid_array(query.senders) for query in queries]
        rows = await fetch(connection, _SIGNAL, _SQL["open_signals"], {**parameters, "bytes": SIGNAL_BYTES})
        found: dict[int, list[AgentSignal]] = defaultdict(list)
        for (place,), signal in rows:
            found[place].append(signal)
        return [found[place] for place in range(1, len(queries) + 1)]

    async def consume(self, connection: DatabaseConnection, signals: Sequence[tuple[AgentKey, int]]) -> None:
        """Write that signals of locked agents, by their numbers, were handed out."""
        numbers = {"number": [number for _, number in signals]}
        await connection.execute(_SQL["consume"], _agents([agent for agent, _ in signals]) | numbers)

    async def keep(self, connection: DatabaseConnection, agents: Sequence[AgentKey]) -> None:
        """Make the consumptions of locked agents final."""
        await connection.execute(_SQL["keep"], _agents(agents))

    async def undo(self, connection: DatabaseConnection, agents: Sequence[AgentKey]) -> None:
        """Undo the provisional consumptions of locked agents, after their steps are written."""
        await connection.execute(_SQL["undo"], _agents(agents))

    async def has_signal(self, agent: AgentKey, name: str) -> bool | None:
        """Return True if a signal of the name waits to be consumed, and None for an unknown agent."""
        rows = await read(self._database, SCALAR, _SQL["has_signal"], {"name": name, **_agent(agent)})
        return rows[0] if rows else None

    async def tasks(self, tasks: Sequence[TaskKey]) -> dict[TaskKey, OwnedTask]:
        """Return the tasks that exist, with their agents."""
        rows = await read(self._database, _TASK, _SQL["tasks"], key_columns(tasks))
        return {(tenant_id, task.id): task for (tenant_id,), task in rows}

    async def asking_owners(self, connection: DatabaseConnection, tasks: Sequence[TaskKey]) -> Owners:
        """Ask for the agents of tasks; see ``Owners``. The question travels with the statements around it."""
        if not tasks:
            return _no_owners
        cursor = await connection.cursor(row_factory=NAMED).execute(_SQL["task_owners"], key_columns(tasks))

        async def owners() -> dict[TaskKey, UUID | None]:
            return {(row.tenant_id, row.id): row.agent_id for row in await cursor.fetchall()}

        return owners

    async def count_tasks(self, agent: AgentKey) -> int | None:
        """Return the number of an agent's tasks; None for an unknown agent."""
        rows = await read(self._database, SCALAR, _SQL["count_tasks"], _agent(agent))
        return rows[0] if rows else None


async def _no_owners() -> dict[TaskKey, UUID | None]:
    return {}


def _first_page(rows: Sequence[Any]) -> FirstPage | None:
    """Return the page of the rows of one agent."""
    if not rows[0].found:
        return None
    entries = [
        Entry(
            number=row.number,
            id=row.id,
            parent_id=row.parent_id,
            entry_type=row.entry_type,
            role=row.role,
            content=row.content,
            turn_id=row.turn_id,
            token_usage=row.token_usage,
            created_at=row.created_at,
        )
        for row in rows
        if row.content is not None
    ]
    return FirstPage(entries, has_more=rows[-1].number is not None and rows[-1].content is None)


def _agent(agent: AgentKey) -> dict[str, UUID]:
    return {"tenant_id": agent[0], "agent_id": agent[1]}


def _agents(agents: Sequence[AgentKey]) -> dict[str, list[UUID]]:
    return {"tenant_id": [agent[0] for agent in agents], "agent_id": [agent[1] for agent in agents]}
