"""Reads which migrations the database has, for REST."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from core.named_queries import named_queries
from core.plugin_services import Database
from server.storage.rows import read, record_row

_SQL = named_queries(__package__, "applied_migrations.sql")


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """A migration that was applied; ``owner`` is the core or a plugin, ``duration_ms`` how long it took."""

    owner: str
    version: int
    description: str
    applied_at: datetime
    duration_ms: int


_APPLIED = record_row(AppliedMigration)


class AppliedMigrationRepository:
    """Reads ``_plugin_migrations``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def applied(self) -> list[AppliedMigration]:
        """Return all of them, by owner and version."""
        return await read(self._database, _APPLIED, _SQL["applied"], {})
