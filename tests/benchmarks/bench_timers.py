"""How late timers fire under a light load.

    .venv/bin/python -m tests.benchmarks.bench_timers [--timers 600] [--seconds 30]

It runs PostgreSQL (durable, with its defaults) and a server of this source tree on this machine, and starts workflows at
even distances. Each sets one timer of 0.2 to 5 s and suspends. Both times come from the database: that at which a timer
is due, and that of its TIMER_FIRED event. It prints the percentiles of the differences in milliseconds; the goal is at
most 50 ms for the 99th.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
from pathlib import Path

import psycopg

from server.database.embedded import Cluster
from tests.benchmarks.engine_load import Connection, Server, serving

_LATENESS = """
    SELECT extract(EPOCH FROM e.created_at - t.fire_at) * 1000
    FROM timer AS t
    INNER JOIN workflow_event AS e
        ON e.tenant_id = t.tenant_id AND e.workflow_execution_id = t.workflow_execution_id AND e.event_type = 'TIMER_FIRED'
"""


async def _load(connection: Connection, timers: int, seconds: float) -> None:
    chosen = random.Random(1)  # noqa: S311 - no secret
    started = asyncio.get_running_loop().time()
    for number in range(timers):
        new = await connection.start()
        while (workflow := await connection.poll()).id != new:
            await connection.complete(workflow.id)  # its timer has fired
        await connection.sleep(new, round(chosen.uniform(200, 5000)))
        await asyncio.sleep(max(0.0, started + (number + 1) * seconds / timers - asyncio.get_running_loop().time()))
    await asyncio.sleep(6)


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--timers", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cluster = Cluster(folder / "data")
        cluster.start()
        try:
            with serving(cluster.url(), folder) as server:
                asyncio.run(_run(server, options.timers, options.seconds))
                with psycopg.connect(cluster.url()) as connection:
                    late = sorted(float(ms) for (ms,) in connection.execute(_LATENESS.encode()).fetchall())
        finally:
            cluster.stop()
    print(f"{len(late)} of {options.timers} timers fired, {options.timers / options.seconds:.0f} set per second")
    p99 = late[len(late) * 99 // 100]
    print(f"late by p50 {statistics.median(late):.1f} ms, p99 {p99:.1f} ms, max {late[-1]:.1f} ms")


async def _run(server: Server, timers: int, seconds: float) -> None:
    connection = Connection(server, "timers")
    try:
        await _load(connection, timers, seconds)
    finally:
        await connection.channel.close()


if __name__ == "__main__":
    main()
