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
from server.storage.rows import NAMED, SCALAR, fetch, read

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
        self._database = database

    async def register(self, registration: Registration) -> UUID:
        """Store the registration of a worker, and return the id that its name has.

        Raises:
            NotFound: the tenant does not exist.
        """
        definitions = registration.definitions
        parameters = {name: getattr(registration, name) for name in (*_WORKER, "metadata")}
        parameters |= columns(definitions, *_DEFINITION)
        parameters["definition_metadata"] = [definition.metadata for definition in definitions]
        async with self._database.connection() as connection:
            try:
                ids: list[UUID] = await fetch(connection, SCALAR, _SQL["register"], parameters)
            except psycopg.errors.ForeignKeyViolation:
                raise NotFound("the tenant does not exist on this server; create it first") from None
        return ids[0]

    async def heartbeat(self, workers: Sequence[WorkerKey]) -> set[WorkerKey]:
        """Write the heartbeats of workers; return the workers that are registered."""
        parameters = {
            "tenant_id": [worker[0] for worker in workers],
            "worker": [worker[1] for worker in workers],
            "worker_id": [_as_id(worker[1]) for worker in workers],
        }
        rows = await read(self._database, NAMED, _SQL["heartbeat"], parameters)
        return {(row.tenant_id, row.worker) for row in rows}


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
