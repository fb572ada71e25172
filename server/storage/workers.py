"""Workers and what they can run, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import psycopg

from core.errors import NotFound
from core.named_queries import named_queries
from core.plugin_services import Database
from server.domain.worker import Registration, WorkerKey
from server.storage.columns import columns

_SQL = named_queries(__package__, "workers.sql")
_WORKER = (
    "tenant_id",
    "worker_id",
    "worker_name",
    "worker_version",
    "worker_type",
    "team_id",
    "host_name",
    "process_id",
)
_DEFINITION = (
    "category", "kind", "name", "description", "version", "content_hash", "timeout_seconds", "cancellable", "tags",
    "retry_policy", "input_schema", "output_schema",
)  # fmt: skip


class WorkerRepository:
    """Writes ``worker``, ``definition`` and ``worker_capability``."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def register(self, registration: Registration) -> UUID:
        """Store what a worker announced and return the id by which its name is known.

        Raises:
            NotFound: the tenant does not exist.
        """
        definitions = registration.definitions
        parameters = {name: getattr(registration, name) for name in (*_WORKER, "metadata")}
        parameters |= columns(definitions, *_DEFINITION)
        parameters["definition_metadata"] = [definition.metadata for definition in definitions]
        async with self._database.connection() as connection:
            try:
                row = await (await connection.execute(_SQL["register"], parameters)).fetchone()
            except psycopg.errors.ForeignKeyViolation:
                raise NotFound("the tenant does not exist on this server; create it first") from None
        worker_id: UUID = row[0]
        return worker_id

    async def heartbeat(self, workers: Sequence[WorkerKey]) -> set[WorkerKey]:
        """Note that workers are alive; return those that are registered."""
        parameters = {
            "tenant_id": [worker[0] for worker in workers],
            "worker": [worker[1] for worker in workers],
            "worker_id": [_as_id(worker[1]) for worker in workers],
        }
        async with self._database.connection() as connection:
            rows = await (await connection.execute(_SQL["heartbeat"], parameters)).fetchall()
        return {(row[0], row[1]) for row in rows}


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
