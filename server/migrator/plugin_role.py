"""The role that plugins' migrations run as: PostgreSQL itself then refuses what a check may have missed.

It is used where the server's own role may make roles. Where not, migrations run as the server,
checked by the linter and by the comparison of the catalogs alone.
"""

from __future__ import annotations

import logging

import psycopg

from core.named_queries import named_queries
from server.database.connecting import Connection

SQL = named_queries(__package__, "plugin_role.sql")

_log = logging.getLogger(__name__)


async def prepare(connection: Connection) -> bool:
    """Make the role and give it what it needs; return whether migrations can run as it."""
    row = await (await connection.execute(SQL["may_make"])).fetchone()
    if row is None or not row[0]:
        _log.info("plugins' migrations run as the server's own role, which may not make another")
        return False
    try:
        async with connection.transaction():
            for step in ("make", "join_it", "grant_on_core", "hand_over"):
                await connection.execute(SQL[step])
    except psycopg.errors.InsufficientPrivilege as error:
        _log.warning("plugins' migrations run as the server's own role: %s", error.diag.message_primary)
        return False
    return True
