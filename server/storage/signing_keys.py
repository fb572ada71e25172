"""Keys that sign what callers send back; all processes of a deployment have the same ones."""

from __future__ import annotations

import secrets
from typing import Any, Final
from uuid import UUID

from core.named_queries import named_queries
from core.plugin_services import Database
from server.storage.rows import SCALAR, read

CURSORS: Final = "cursors"
"""The purpose of the key of cursors."""

_NO_TENANT: Final = UUID(int=0)
_KEY_BYTES = 32
_SQL = named_queries(__package__, "signing_keys.sql")


class SigningKeyRepository:
    """Reads ``signing_key``, and makes keys that are not there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def key(self, purpose: str) -> bytes:
        """Return the key of a purpose.

        Raises:
            Unavailable: there is none yet, and the database takes no writes.
        """
        wanted: dict[str, Any] = {"tenant_id": _NO_TENANT, "purpose": purpose}
        found = await read(self._database, SCALAR, _SQL["get"], wanted)
        if not found:
            made = {**wanted, "secret": secrets.token_bytes(_KEY_BYTES)}
            async with self._database.connection() as connection:
                await connection.execute(_SQL["make"], made)
            found = await read(self._database, SCALAR, _SQL["get"], wanted)
        return bytes(found[0])
