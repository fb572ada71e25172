"""What can be asked of a database that is to serve: its version, its rights, how fast it answers, what time it has."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg

from core.named_queries import named_queries
from server.database.connecting import Connection
from server.database.refusals import worded

ROUND_TRIPS = 5

_SQL = named_queries(__package__, "vitals.sql")


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the database says of itself.

    Attributes:
        version: as ``server_version_num``: 160004.
        encoding: of the database.
        standby: whether it is in recovery, and so takes no writes.
        read_only: whether our sessions take no writes, because it is a standby or they are set so.
        may_create: whether our role may make tables.
        may_make_role: whether our role may make the role that plugins' migrations run as.
        free_connections: how many more there may be, this one not counted.
        autovacuum_every: seconds between two looks of autovacuum at the database; None when it is off.
        latency: seconds of the fastest of some round trips.
        clock_ahead: seconds by which the database's clock is ahead of ours; negative when it is behind.
    """

    version: int
    encoding: str
    standby: bool
    read_only: bool
    may_create: bool
    may_make_role: bool
    free_connections: int
    autovacuum_every: float | None
    latency: float
    clock_ahead: float


async def vitals(connection: Connection) -> Vitals:
    """Ask for everything; changes nothing.

    Raises:
        FlovynError: the database refuses to say.
    """
    try:
        row = await (await connection.execute(_SQL["vitals"])).fetchone()
        latency, clock_ahead = min([await _clock(connection) for _ in range(ROUND_TRIPS)])
    except psycopg.Error as error:
        raise worded(error) from None
    assert row is not None
    version, encoding, standby, read_only, may_create, may_make_role, free, every = row
    return Vitals(version, encoding, standby, read_only, may_create, may_make_role, free, every, latency, clock_ahead)


async def _clock(connection: Connection) -> tuple[float, float]:
    """Return how long a round trip took, and how far the database's clock was ahead of ours in its middle."""
    before, started = time.time(), time.perf_counter()
    row = await (await connection.execute(_SQL["clock"])).fetchone()
    took = time.perf_counter() - started
    assert row is not None
    return took, row[0] - (before + took / 2)
