"""Checks of ``flovyn-server doctor`` of the tables: their sizes, bloat, VACUUM, and transactions that hold it up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from server.cli.finding import Diagnosis, ok, warn
from server.database.connecting import Connection
from server.database.tables import OldTransaction, Table, oldest_transaction, tables

SHOWN = 5
"""Tables that are named."""

LARGE_BYTES = 64 * 2**20
"""The bloat of smaller tables does not matter."""

BLOAT_HIGH = 0.3
DEAD_MANY, DEAD_SHARE = 10_000, 0.2
"""A table has too many dead rows from this number and this share of its rows on: autovacuum begins far below."""

TRANSACTION_OLD_S = 300.0


async def table_checks(connection: Connection) -> list[Diagnosis]:
    """Look at the tables of a database.

    Raises:
        FlovynError: a statement failed.
    """
    found = await tables(connection)
    return [*of_tables(found), of_transaction(await oldest_transaction(connection))]


def of_tables(found: Sequence[Table]) -> Iterator[Diagnosis]:
    """Yield the findings about the sizes and the dead rows of tables."""
    total = sum(table.total_bytes for table in found)
    named = ", ".join(f"{each.name} {_size(each.total_bytes)}" for each in found[:SHOWN])
    yield ok("tables", f"{_size(total)} in {len(found)} tables, with their indexes; the largest are {named}")
    bloated = [each for each in found if each.bytes >= LARGE_BYTES and each.bloat > BLOAT_HIGH]
    if bloated:
        text = ", ".join(f"{each.name} ({each.bloat:.0%} of {_size(each.bytes)})" for each in bloated)
        advice = (
            "new rows fill the room; to give it back to the disk, use pg_repack, or VACUUM FULL while no server runs"
        )
        yield warn("bloat", f"tables are larger than their rows need: {text}", advice)
    else:
        yield ok("bloat", f"no large table wastes more than {BLOAT_HIGH:.0%}")
    yield from _vacuum(found)


def _vacuum(found: Sequence[Table]) -> Iterator[Diagnosis]:
    off = [each.name for each in found if each.autovacuum_is_off]
    if off:
        advice = "ALTER TABLE … RESET (autovacuum_enabled)"
        yield warn("vacuum", f"autovacuum is switched off for {', '.join(off)}", advice)
    late = [each for each in found if each.dead > DEAD_MANY and each.dead > DEAD_SHARE * each.rows]
    if late:
        text = ", ".join(f"{each.name} ({each.dead:,}, {_ago(each.vacuumed_ago)})" for each in late)
        advice = "look for an old transaction; raise autovacuum_max_workers and autovacuum_vacuum_cost_limit"
        yield warn("vacuum", f"autovacuum is late, dead rows are many: {text}", advice)
    if not off and not late:
        yield ok("vacuum", "no table has many dead rows")


def of_transaction(found: OldTransaction | None) -> Diagnosis:
    """Return the finding about the oldest transaction."""
    if found is None or found.age <= TRANSACTION_OLD_S:
        return ok("transactions", "none is old")
    text = f"one is open for {found.age:,.0f} s ({found.holder}); VACUUM must keep all rows that it may see"
    advice = "end it: SELECT pg_terminate_backend(PID); set idle_in_transaction_session_timeout for its role"
    return warn("transactions", text, advice)


def _ago(seconds: float | None) -> str:
    return "never vacuumed" if seconds is None else f"vacuumed {seconds:,.0f} s ago"


def _size(size: int) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 10_000:  # noqa: PLR2004 - four digits are easy to read
            return f"{size:,} {unit}"
        size //= 1024
    return f"{size:,} TB"
