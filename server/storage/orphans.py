"""Claims of server processes that have died."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from core.named_queries import named_queries
from core.plugin_services import Database
from server.storage.rows import NAMED, fetch, read, record_row

_SQL = named_queries(__package__, "orphans.sql")

_WORK = ("workflows", "tasks", "agents")
"""The categories of work, as the queries name them."""

Pending = tuple[UUID, str, str]
"""Tenant, queue and kind of work that is pending again."""


@dataclass(frozen=True, slots=True)
class ProcessClaims:
    """A server process that has claims.

    Attributes:
        number: the number of the process in its deployment.
        newest: the time of its newest claim.
        now: the time of the database, which ``newest`` is compared with.
        is_alive: whether the process holds the advisory lock on its number.
    """

    number: int
    newest: datetime
    now: datetime
    is_alive: bool


_CLAIMS = record_row(ProcessClaims)


class OrphanRepository:
    """Reads and writes claims by the server process that made them, of all tenants."""

    def __init__(self, database: Database, lock_class: int) -> None:
        self._database = database
        self._lock_class = lock_class

    async def claims(self, age: float) -> list[ProcessClaims]:
        """Return the processes with claims that are at most ``age`` seconds old and not over."""
        return await read(self._database, _CLAIMS, _SQL["claims"], {"age": age, "lock_class": self._lock_class})

    async def release(self, since: Mapping[int, datetime]) -> list[list[Pending]]:
        """Release the claims that processes made since a moment each; return workflow executions, tasks and agents."""
        parameters = {"number": list(since), "since": list(since.values()), "oldest": min(since.values())}
        async with self._database.connection() as connection:
            released = [await fetch(connection, NAMED, _SQL[f"release_{each}"], parameters) for each in _WORK]
        return [[_pending(row) for row in rows] for rows in released]

    async def disown(self, number: int, age: float) -> None:
        """Remove the number of a process from its claims: the process ends in good order, and has delivered them."""
        async with self._database.connection() as connection:
            for each in _WORK:
                await connection.execute(_SQL[f"disown_{each}"], {"number": number, "age": age})


def _pending(row: Any) -> Pending:
    return row.tenant_id, row.queue, row.kind
