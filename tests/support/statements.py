"""Counts the statements that all clients of one database send, as PostgreSQL itself logs them."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from typing import Any

import psycopg

_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)")
_LOG = "server.log"
"""In the data folder, where ``server.database.embedded`` lets PostgreSQL write it."""


def log_statements(database: str) -> None:
    """Let PostgreSQL log every statement of the sessions that begin from now on in this database."""
    with psycopg.connect(database, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"ALTER DATABASE {name} SET log_statement = 'all'".encode())


async def statements_within(database: str, seconds: float) -> Counter[str]:
    """Return how often each statement begins, by its first line, within the next ``seconds`` seconds.

    No other database of the cluster may log its statements meanwhile.
    """
    begins = await asyncio.to_thread(_log_size, database)
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        await asyncio.sleep(left)
    return Counter(_STATEMENT.findall(await asyncio.to_thread(_log_from, database, begins)))


def _log_size(database: str) -> int:
    with _silent(database) as admin:
        row = admin.execute("SELECT size FROM pg_stat_file(%s)", [_LOG]).fetchone()
    assert row is not None
    return int(row[0])


def _log_from(database: str, begins: int) -> str:
    with _silent(database) as admin:
        row = admin.execute("SELECT pg_read_binary_file(%s, %s, 1 << 26)", [_LOG, begins]).fetchone()
    assert row is not None
    return bytes(row[0]).decode(errors="replace")


def _silent(database: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect without being counted."""
    return psycopg.connect(database, autocommit=True, options="-c log_statement=none")
