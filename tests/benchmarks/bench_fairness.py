"""How long another tenant's workflows wait for their workers while one tenant starts 50,000.

    .venv/bin/python -m tests.benchmarks.bench_fairness [--starts 50000] [--callers 64]

Server, PostgreSQL and load share this machine; the load has the lowest priority. It prints the other tenant's times from
the call that starts a workflow to the answer of the poll, alone, meanwhile and with the backlog, in milliseconds. The goal
is that the 99th percentile meanwhile is at most 3 times the one alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from server.database.embedded import Cluster
from tests.benchmarks.bench_hostile import ATTACKER, ATTACKER_KEY, KEYS, TENANTS
from tests.benchmarks.engine_load import Connection, Server, serving

SECONDS = 8.0
LOOPS, PAUSE_S = 4, 0.02


async def _dispatches(server: Server, name: str, until: float, taken: list[float]) -> None:
    """Start a workflow while a poller waits, again and again; note the time until the poll is answered."""
    starter, worker = Connection(server, name), Connection(server, name)
    while time.perf_counter() < until:
        waiting = asyncio.create_task(worker.poll())
        await asyncio.sleep(PAUSE_S)
        began = time.perf_counter()
        await starter.start()
        while (workflow := await waiting) is None:
            waiting = asyncio.create_task(worker.poll())
        taken.append((time.perf_counter() - began) * 1000)
        await worker.complete(workflow.id)
    await starter.channel.close()
    await worker.channel.close()


async def _measured(server: Server, label: str, load: asyncio.Event | None = None) -> float:
    taken = list[float]()
    until = time.perf_counter() + SECONDS
    await asyncio.gather(*(_dispatches(server, f"{label} {n}", until, taken) for n in range(LOOPS)))
    taken.sort()
    p99 = taken[int((len(taken) - 1) * 0.99)]
    note = "" if load is None or not load.is_set() else "   (the load ended before)"
    print(
        f"{label:20} {len(taken):6d} workflows   p50 {taken[len(taken) // 2]:7.1f}   p99 {p99:7.1f}{note}", flush=True
    )
    return p99


async def _flood(grpc_port: int, starts: int, callers: int) -> None:
    """Start workflows of the other tenant that no worker takes."""
    left = iter(range(starts))

    async def one() -> None:
        connection = Connection(Server(grpc_port, 0, 0), "flood", ATTACKER, ATTACKER_KEY)
        for _ in left:
            await connection.start()
        await connection.channel.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(callers)))
    print(f"{starts} starts in {time.perf_counter() - began:.1f} s", flush=True)


async def _compare(server: Server, starts: int, callers: int) -> None:
    await _measured(server, "warming up")
    alone = await _measured(server, "alone")
    command = (
        "-m",
        __spec__.name,
        "--flood",
        str(server.grpc_port),
        "--starts",
        str(starts),
        "--callers",
        str(callers),
    )
    load = await asyncio.create_subprocess_exec("nice", "-n", "19", sys.executable, *command)
    over = asyncio.Event()

    async def watch() -> None:
        await load.wait()
        over.set()

    watching = asyncio.create_task(watch())
    await asyncio.sleep(1)
    meanwhile = await _measured(server, "meanwhile", over)
    await watching
    await _measured(server, "with the backlog")
    print(f"meanwhile / alone: {meanwhile / alone:.1f}")


def main() -> None:
    """Flood, or start a server and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--starts", type=int, default=50_000)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--flood", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flood is not None:
        asyncio.run(_flood(options.flood, options.starts, options.callers))
        return
    environ = {"TENANTS": json.dumps(TENANTS), "AUTH__STATIC_API_KEY__KEYS": json.dumps(KEYS)}
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder) / "postgres")
        cluster.start()
        try:
            with serving(cluster.url(), Path(folder), **environ) as server:
                asyncio.run(_compare(server, options.starts, options.callers))
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
