"""How long migrations take: a start with nothing to do, and many pending ones against psql.

    .venv/bin/python -m tests.benchmarks.bench_migrations

Prints a table of medians. psql, where it is on PATH, sends the same statements one transaction per migration.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from core.migration import PluginMigration
from server.database.connecting import connect
from server.migrator import catalog
from server.migrator.history import Owner
from server.migrator.migrator import Migrator, owners
from tests.support.postgres import Databases, running_cluster
from tests.support.proofs import forged

ROUNDS = 5
APPLIED = 200
PENDING = 500


def _owner(count: int) -> Owner:
    texts = (
        f"CREATE TABLE p_bench__t{number} (id uuid CONSTRAINT p_bench__t{number}_pkey PRIMARY KEY, a text NOT NULL);\n"
        for number in range(1, count + 1)
    )
    return Owner("bench", [PluginMigration.parse(f"{n:04}_x.sql", text.encode()) for n, text in enumerate(texts, 1)])


def _migrator(url: str, owner: Owner) -> Migrator:
    return Migrator(lambda: connect(url, timeout=5), forged(owner), "bench")


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def nothing_to_do(databases: Databases) -> float:
    """Return the seconds of a start with ``APPLIED`` applied and checked migrations."""
    owner = _owner(APPLIED)
    with databases.migrated() as url:
        wanted = [*owners([]), owner]
        asyncio.run(_migrator(url, owner).apply(wanted))
        return statistics.median(
            _seconds(lambda: asyncio.run(_migrator(url, owner).apply(wanted))) for _ in range(ROUNDS)
        )


def pending(databases: Databases) -> float:
    """Return the seconds that ``PENDING`` checked migrations take."""
    owner = _owner(PENDING)

    def once() -> float:
        with databases.migrated() as url:
            return _seconds(lambda: asyncio.run(_migrator(url, owner).apply([*owners([]), owner])))

    return statistics.median(once() for _ in range(ROUNDS))


def without_comparison(databases: Databases) -> float:
    """Return the seconds of ``pending`` when snapshots cost nothing: what is left beside psql's own work."""

    async def none(_connection: object, _plugin: str) -> catalog.Snapshot:
        return {}

    with mock.patch.object(catalog, "snapshot", none):
        return pending(databases)


def psql(databases: Databases, folder: Path) -> float:
    """Return the seconds that psql takes for the same statements, each in its own transaction with its record."""
    script = folder / "all.sql"
    parts = []
    for each in _owner(PENDING).migrations:
        record = f"INSERT INTO _plugin_migrations VALUES ('bench', {each.version}, 'x', 'x', now(), 1, 'psql');"
        parts.append(f"BEGIN;\n{each.sql}{record}\nCOMMIT;\n")
    script.write_text("".join(parts))

    def once() -> float:
        with databases.migrated() as url:
            command = ["psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", "-f", str(script), url]
            return _seconds(lambda: subprocess.run(command, check=True))

    return statistics.median(once() for _ in range(ROUNDS))


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name, running_cluster(Path(name)) as databases:
        idle, full = nothing_to_do(databases), pending(databases)
        print(f"start with {APPLIED} applied migrations   {idle * 1000:8.1f} ms")
        print(f"{PENDING} pending migrations            {full:8.2f} s   {PENDING / full:8.0f} /s")
        bare = without_comparison(databases)
        print(f"  without comparing catalogs      {bare:8.2f} s   {PENDING / bare:8.0f} /s")
        if shutil.which("psql"):
            other = psql(databases, Path(name))
            print(f"the same through psql             {other:8.2f} s   {PENDING / other:8.0f} /s")


if __name__ == "__main__":
    main()
