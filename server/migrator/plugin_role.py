"""The role that migrations of plugins run as: PostgreSQL itself then refuses statements that a check may miss.

The role is used where the role of the server may create roles. Elsewhere, migrations run as the role of the server, and
only the linter and the comparison of the catalogs check them.
"""

from __future__ import annotations

import logging

import psycopg

from core.named_queries import named_queries
from server.database.connecting import Connection
from server.database.rows import SCALAR

SQL = named_queries(__package__, "plugin_role.sql")

_log = logging.getLogger(__name__)


async def prepare(connection: Connection) -> bool:
    """Create the role with its privileges; return whether migrations can run as it."""
    if not await (await connection.cursor(row_factory=SCALAR).execute(SQL["may_create"])).fetchone():
        _log.info("migrations of plugins run as the role of the server, which may not create roles")
        return False
    try:
        async with connection.transaction():
            for step in ("create", "join", "grant_on_core", "take_ownership"):
                await connection.execute(SQL[step])
    except psycopg.errors.InsufficientPrivilege as error:
        _log.warning("migrations of plugins run as the role of the server: %s", error.diag.message_primary)
        return False
    return True
