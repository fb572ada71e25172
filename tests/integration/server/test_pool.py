"""The pool hands out no connection that the database has ended."""

from __future__ import annotations

import psycopg

from server.config.settings import DatabasePool
from server.database.pool import open_pool

END_ALL = """
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000))
    FROM pg_stat_activity
    WHERE application_name = 'flovyn-server' AND datname = current_database()"""


async def test_no_call_meets_a_connection_that_was_ended(database: str) -> None:
    """Every connection ended while idle: the next statements succeed, without an error in between."""
    async with open_pool(database, DatabasePool()) as pool:
        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as other:
            assert await (await other.execute(END_ALL)).fetchone() == (2,)
        for _ in range(5):
            async with pool.connection() as connection:
                assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
