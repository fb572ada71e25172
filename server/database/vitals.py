"""Properties of a database that the server depends on: version, privileges, latency, clock."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg
from psycopg.rows import dict_row

from core.named_queries import named_queries
from server.database.connecting import Connection
from server.database.refusals import as_server_error
from server.database.rows import SCALAR

ROUND_TRIPS = 5

_SQL = named_queries(__package__, "vitals.sql")


@dataclass(frozen=True, slots=True)
class Vitals:
    """Properties of a database, its role and its server.

    Attributes:
        version: ``server_version_num``, such as 160004.
        encoding: the encoding of the database.
        standby: whether the server is in recovery, and takes no writes.
        read_only: whether sessions are read-only, on a standby or by a setting.
        may_create: whether the role may create tables.
        may_make_role: whether the role may create the role that migrations of plugins run as.
        usable_connections: the number of connections that ordinary roles may have together.
        role_connections: the limit of the role and that of the database, whichever is smaller; None when none is set.
        other_connections: the connections of others than servers of this deployment.
        autovacuum_every: the seconds between two runs of autovacuum; None when it is off.
        latency: the duration of the fastest of ``ROUND_TRIPS`` round trips, in seconds.
        clock_ahead: the seconds by which the clock of the database is ahead of this machine's; negative when behind.
    """

    version: int
    encoding: str
    standby: bool
    read_only: bool
    may_create: bool
    may_make_role: bool
    usable_connections: int
    role_connections: int | None
    other_connections: int
    autovacuum_every: float | None
    latency: float
    clock_ahead: float


async def vitals(connection: Connection) -> Vitals:
    """Read the properties; nothing is changed.

    Raises:
        FlovynError: a statement failed.
    """
    try:
        row = await (await connection.cursor(row_factory=dict_row).execute(_SQL["vitals"])).fetchone()
        latency, clock_ahead = min([await _clock(connection) for _ in range(ROUND_TRIPS)])
    except psycopg.Error as error:
        raise as_server_error(error) from None
    assert row is not None
    return Vitals(**row, latency=latency, clock_ahead=clock_ahead)


async def _clock(connection: Connection) -> tuple[float, float]:
    """Return the duration of a round trip, and how far the database's clock was ahead in its middle, in seconds."""
    before, started = time.time(), time.perf_counter()
    [now] = await (await connection.cursor(row_factory=SCALAR).execute(_SQL["clock"])).fetchall()
    took = time.perf_counter() - started
    return took, float(now) - (before + took / 2)
