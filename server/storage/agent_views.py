"""Reads agents for REST: single ones and pages, with their checkpoints, children and signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from core.batching import Batcher
from core.connection import RowFactory
from core.limits import MAX_PAYLOAD_BYTES
from core.named_queries import named_queries
from core.paging import PageMembers, Paging, Position
from core.plugin_services import Database
from server.domain.agent_records import Checkpoint, Entry
from server.domain.agent_view import AgentFilter, AgentView, SignalView
from server.storage.agent_records import AgentRecordRepository
from server.storage.agents import AgentKey
from server.storage.lists import ListStatements, conditions
from server.storage.rows import Row, read, record_row
from server.storage.workflows import key_columns

_SQL = named_queries(__package__, "agent_views.sql")
_LIST = ListStatements(_SQL, "a kind, queue, status or parent that fewer agents have")
_AGENT = record_row(AgentView)
_CHECKPOINT = record_row(Checkpoint)
_SIGNAL = record_row(SignalView)


def _size(_agent: AgentKey) -> int:
    """Return the size that a batch counts for an agent: its input and its output may be large."""
    return MAX_PAYLOAD_BYTES


def _position(agent: AgentView) -> Position:
    return agent.created_at, agent.id


class AgentViewRepository:
    """Reads ``agent_execution`` and the tables of the records of agents."""

    def __init__(self, database: Database, lists: Database | None = None) -> None:
        self._database = database
        self._lists = lists or database
        self._records = AgentRecordRepository(database)
        # clients find the end of an agent by asking again and again
        self._lookups: Batcher[AgentKey, AgentView | None] = Batcher(self._get_all, weigh=_size, name="agent_views")

    async def get(self, agent: AgentKey) -> AgentView | None:
        """Return an agent; None when it does not exist."""
        return await self._lookups.submit(agent)

    async def page(self, wanted: AgentFilter, paging: Paging) -> tuple[list[AgentView], PageMembers]:
        """Return a page of agents, newest first, and the members of its answer.

        Raises:
            TooBroad: the search or the exact count takes too long.
        """
        rows = await _LIST.page(self._lists, _AGENT, conditions(wanted), paging)
        return await paging.page(rows, _position, _LIST.counter(self._lists, conditions(wanted)))

    async def children(self, agent: AgentKey, limit: int) -> list[AgentView]:
        """Return the children of an agent, oldest first."""
        return await self._read(_AGENT, "children", agent, limit=limit)

    async def checkpoints(self, agent: AgentKey, limit: int) -> list[Checkpoint]:
        """Return the checkpoints of an agent in ascending order."""
        return await self._read(_CHECKPOINT, "checkpoints", agent, limit=limit)

    async def checkpoint(self, agent: AgentKey, sequence: int) -> Checkpoint | None:
        """Return the checkpoint of a number; None when it does not exist."""
        rows = await self._read(_CHECKPOINT, "checkpoint", agent, sequence=sequence)
        return rows[0] if rows else None

    async def latest_checkpoint(self, agent: AgentKey) -> Checkpoint | None:
        """Return the newest checkpoint; None without one."""
        [(_, checkpoint)] = await self._records.latest_checkpoints([agent])
        return checkpoint

    async def entries(self, agent: AgentKey, after: UUID | None, limit: int) -> list[Entry] | None:
        """Return a page of the entries after one of them; None if the agent has no entry ``after``."""
        number = 0 if after is None else await self._records.entry_number(agent, after)
        return None if number is None else await self._records.entries(agent, number, limit)

    async def signals(self, agent: AgentKey, limit: int) -> list[SignalView]:
        """Return the signals of an agent in the order of their arrival, consumed ones included."""
        return await self._read(_SIGNAL, "signals", agent, limit=limit)

    async def _get_all(self, agents: Sequence[AgentKey]) -> list[AgentView | None]:
        found = await read(self._database, _AGENT, _SQL["get"], key_columns(list(dict.fromkeys(agents))))
        views = {(view.tenant_id, view.id): view for view in found}
        return [views.get(agent) for agent in agents]

    async def _read(self, rows: RowFactory[Row], query: str, agent: AgentKey, **more: Any) -> list[Row]:
        parameters = {"tenant_id": agent[0], "id": agent[1], **more}
        return await read(self._database, rows, _SQL[query], parameters)
