"""Claims of server processes that have died, in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.named_queries import named_queries
from core.plugin_services import Database

_SQL = named_queries(__package__, "orphans.sql")

Pending = tuple[UUID, str, str]
"""Tenant, queue and kind of work that is pending again."""


@dataclass(frozen=True, slots=True)
class ProcessClaims:
    """A server process that has claims: the time of the newest, the database's time, and whether the process lives."""

    number: int
    newest: datetime
    now: datetime
    is_alive: bool


class OrphanRepository:
    """Reads and writes claims by the server process that made them, of all tenants."""

    def __init__(self, database: Database, lock_class: int) -> None:
        self._database = database
        self._lock_class = lock_class

    async def claims(self, age: float) -> list[ProcessClaims]:
        """Return the processes with claims that are at most ``age`` seconds old and not over."""
        async with self._database.connection() as connection:
            parameters = {"age": age, "lock_class": self._lock_class}
            rows = await (await connection.execute(_SQL["claims"], parameters)).fetchall()
        return [ProcessClaims(*row) for row in rows]

    async def release(self, since: Mapping[int, datetime]) -> tuple[list[Pending], list[Pending]]:
        """Release what processes have claimed since a moment; return the workflow executions and the tasks."""
        parameters = {"number": list(since), "since": list(since.values()), "oldest": min(since.values())}
        async with self._database.connection() as connection:
            workflows = await (await connection.execute(_SQL["release_workflows"], parameters)).fetchall()
            tasks = await (await connection.execute(_SQL["release_tasks"], parameters)).fetchall()
        return workflows, tasks

    async def disown(self, number: int, age: float) -> None:
        """Forget which process made the claims of a process that ends in good order."""
        async with self._database.connection() as connection:
            for query in ("disown_workflows", "disown_tasks"):
                await connection.execute(_SQL[query], {"number": number, "age": age})
