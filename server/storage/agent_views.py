"""Reads agents for REST: single ones and pages, with their checkpoints, children and signals."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from core.connection import RowFactory
from core.named_queries import named_queries
from core.plugin_services import Database
from server.domain.agent_records import Checkpoint, Entry
from server.domain.agent_view import AgentFilter, AgentView, SignalView
from server.storage.agent_records import AgentRecordRepository
from server.storage.agents import AgentKey
from server.storage.rows import SCALAR, Row, read, record_row

_SQL = named_queries(__package__, "agent_views.sql")
_AGENT = record_row(AgentView)
_CHECKPOINT = record_row(Checkpoint)
_SIGNAL = record_row(SignalView)


class AgentViewRepository:
    """Reads ``agent_execution`` and the tables of the records of agents."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._records = AgentRecordRepository(database)

    async def get(self, agent: AgentKey) -> AgentView | None:
        """Return an agent; None when it does not exist."""
        rows = await self._read(_AGENT, "get", agent)
        return rows[0] if rows else None

    async def page(self, wanted: AgentFilter, limit: int, offset: int) -> tuple[list[AgentView], int]:
        """Return a page of agents, newest first, and how many there are."""
        parameters = asdict(wanted)
        page = {**parameters, "limit": limit, "offset": offset}
        rows = await read(self._database, _AGENT, _SQL["page"], page)
        [total] = await read(self._database, SCALAR, _SQL["count"], parameters)
        return rows, total

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
        return await self._records.latest_checkpoint(agent)

    async def entries(self, agent: AgentKey, after: UUID | None, limit: int) -> list[Entry] | None:
        """Return a page of the entries after one of them; None if the agent has no entry ``after``."""
        number = 0 if after is None else await self._records.entry_number(agent, after)
        return None if number is None else await self._records.entries(agent, number, limit)

    async def signals(self, agent: AgentKey, limit: int) -> list[SignalView]:
        """Return the signals of an agent in the order of their arrival, consumed ones included."""
        return await self._read(_SIGNAL, "signals", agent, limit=limit)

    async def _read(self, rows: RowFactory[Row], query: str, agent: AgentKey, **more: Any) -> list[Row]:
        parameters = {"tenant_id": agent[0], "id": agent[1], **more}
        return await read(self._database, rows, _SQL[query], parameters)
