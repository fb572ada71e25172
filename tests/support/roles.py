"""Databases as seen by a server's role that owns them: one that may make roles, and one that may not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def owned_by(database: str, role: str, options: str) -> Iterator[str]:
    """Give a database to a new role for a while, and lend its address for that role."""
    with psycopg.connect(database, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"CREATE ROLE {role} {options}".encode())
        admin.execute(f"ALTER DATABASE {name} OWNER TO {role}".encode())
        for (table,) in admin.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
            admin.execute(f"ALTER TABLE {table} OWNER TO {role}".encode())
    yield database.replace("postgres@", f"{role}@")
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} OWNER TO postgres".encode())
        roles = "SELECT rolname FROM pg_roles WHERE rolname LIKE %s ORDER BY length(rolname) DESC"
        for (each,) in admin.execute(roles, (f"{role}%",)).fetchall():
            admin.execute(f"REASSIGN OWNED BY {each} TO postgres".encode())
            admin.execute(f"DROP OWNED BY {each}".encode())
            admin.execute(f"DROP ROLE {each}".encode())
