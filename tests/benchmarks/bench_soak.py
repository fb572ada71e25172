"""A steady load for a long time: does the server stay as fast, as small and as tidy as in its first minutes?

    .venv/bin/python -m tests.benchmarks.bench_soak --minutes 30 --workers 2

It runs PostgreSQL (durable, with its defaults), a server of this source tree and the load on this machine. It measures
the peak in a closed loop first, then starts workflow executions with one task each at 60 % of it (``--rate`` sets another
rate), at even distances, whatever the server does. Each minute it prints one row:

- the workflows that ended per second, and p50 and p99 of the time from a start to the acknowledged end, in milliseconds;
- for each table that changes often, the dead rows in per cent of the live ones: the mean and the highest of samples that
  are taken every 5 s from ``pg_stat_user_tables`` (``n_dead_tup / n_live_tup``, the counts that autovacuum itself goes
  by), and the share of updates that were HOT;
- the resident memory of each server process, in MiB.

At the end it compares the result with the goals: dead rows at most 20 % of the live ones in the mean of every minute
after the first five (before, there are few live rows to compare with), p99 of the last five minutes at most 1.5 times that
of the first five, and resident memory that grows by less than 10 MiB in ten minutes (a line fitted to the minutes after
the first five).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg

from server.database.embedded import Cluster
from tests.benchmarks.engine_load import Connection, Server, cancelled_after, serving

TABLES = ("workflow_execution", "task_execution", "worker", "timer", "promise", "idempotency_key")
POLLERS, CHANNELS, PEAK_STARTERS, PEAK_S = 48, 8, 48, 20
SAMPLE_EVERY_S = 5.0
MOST_IN_FLIGHT = 1000
"""With more, the server cannot keep up, and starts are left out and counted."""
WARM_MINUTES = 5

_STATISTICS = """
SELECT relname, n_live_tup, n_dead_tup, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = ANY(%s)
"""


@dataclass
class Minute:
    """The samples of one minute."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    dead: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    hot: dict[str, float] = field(default_factory=dict)
    memory: dict[int, float] = field(default_factory=dict)
    left_out: int = 0

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else float("nan")

    def row(self, number: int) -> str:
        """Return the line that is printed."""
        tables = "  ".join(
            f"{name} {statistics.mean(shares):.0f}/{max(shares):.0f} hot {self.hot.get(name, 0):.0f}"
            for name, shares in sorted(self.dead.items())
        )
        memory = " ".join(f"{size:.0f}" for size in self.memory.values())
        rate = len(self.latencies) / self.seconds
        return (
            f"{number:3d}  {rate:6.1f}/s  p50 {self.percentile(0.5):6.1f}  p99 {self.percentile(0.99):7.1f}"
            f"  left out {self.left_out}  dead % mean/max: {tables}  MiB {memory}"
        )


class Load:
    """Starters and workers, spread over the connections, and the times that they measure."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._connections = connections
        self._began: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._starts: set[asyncio.Task[None]] = set()
        self.latencies: list[float] = []
        self.left_out = 0

    def workers(self) -> list[asyncio.Task[None]]:
        """Start the pollers of workflows and of tasks."""
        spread = [self._connections[number % len(self._connections)] for number in range(POLLERS)]
        return [asyncio.create_task(work(each)) for work in (self._decide, self._work) for each in spread]

    async def closed(self, seconds: float) -> float:
        """Start a workflow whenever another has ended; return how many ended per second."""
        until = time.perf_counter() + seconds

        async def starter(connection: Connection) -> None:
            while time.perf_counter() < until:
                await self._start(connection)
                while self._began and len(self._began) > PEAK_STARTERS and time.perf_counter() < until:
                    await asyncio.sleep(0.001)

        before = len(self.latencies)
        await asyncio.gather(*(starter(each) for each in self._connections))
        return (len(self.latencies) - before) / seconds

    async def open(self, rate: float, seconds: float) -> None:
        """Start ``rate`` workflows a second at even distances."""
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            if len(self._began) + len(self._starts) > MOST_IN_FLIGHT:
                self.left_out += 1
                continue
            start = asyncio.create_task(self._start(self._connections[number % len(self._connections)]))
            self._starts.add(start)
            start.add_done_callback(self._starts.discard)

    async def _start(self, connection: Connection) -> None:
        began = time.perf_counter()
        workflow_id = await connection.start()
        ended = self._ended.pop(workflow_id, None)  # its end may be known before the answer to its start
        if ended is None:
            self._began[workflow_id] = began
        else:
            self.latencies.append(ended - began)

    async def _decide(self, connection: Connection) -> None:
        while True:
            workflow = await connection.poll()
            if workflow is None:
                continue
            if "TASK_COMPLETED" not in await connection.events(workflow.id):
                await connection.schedule(workflow.id, str(uuid4()))
                continue
            await connection.complete(workflow.id)
            began = self._began.pop(workflow.id, None)
            if began is None:
                self._ended[workflow.id] = time.perf_counter()
            else:
                self.latencies.append(time.perf_counter() - began)

    async def _work(self, connection: Connection) -> None:
        while True:
            await connection.work()


class Watch:
    """Samples the database's statistics and the memory of the server's processes."""

    def __init__(self, url: str, server: Server) -> None:
        self._url = url
        self._server = server
        self._updates: dict[str, tuple[int, int]] = {}

    def sample(self, minute: Minute) -> None:
        """Add one sample to a minute."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            rows = connection.execute(_STATISTICS, [list(TABLES)]).fetchall()
        for name, live, dead, updates, hot in rows:
            if live:
                minute.dead[name].append(100 * dead / live)
            before = self._updates.setdefault(name, (updates, hot))
            if updates > before[0]:
                minute.hot[name] = 100 * (hot - before[1]) / (updates - before[0])
                self._updates[name] = (updates, hot)
        minute.memory = {pid: _resident_mib(pid) for pid in _processes(self._server.pid)}


def _processes(supervisor: int) -> list[int]:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [supervisor, *map(int, children)]


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def _soak(server: Server, url: str, minutes: int, rate: float | None) -> list[Minute]:
    async with AsyncExitStack() as stack:
        connections = [Connection(server, "soak") for _ in range(CHANNELS)]
        for each in connections:
            await stack.enter_async_context(each.channel)
        load, watch, found = Load(connections), Watch(url, server), list[Minute]()
        with cancelled_after(load.workers()):
            if rate is None:
                peak = await load.closed(PEAK_S)
                rate = 0.6 * peak
                print(f"peak {peak:.0f}/s; the load is {rate:.0f}/s")
            driving = asyncio.create_task(load.open(rate, minutes * 60))
            with cancelled_after([driving]):
                for number in range(1, minutes + 1):
                    found.append(await _minute(load, watch))
                    print(found[-1].row(number), flush=True)
    return found


async def _minute(load: Load, watch: Watch) -> Minute:
    minute, began = Minute(), time.perf_counter()
    load.latencies, load.left_out = [], 0
    while time.perf_counter() < began + 60:
        await asyncio.sleep(SAMPLE_EVERY_S)
        await asyncio.to_thread(watch.sample, minute)
    minute.seconds = time.perf_counter() - began
    minute.latencies, minute.left_out = load.latencies, load.left_out
    return minute


def _judge(found: Sequence[Minute]) -> None:
    """Compare with the goals; a workflow that is too short for one is not compared with it."""
    later = found[WARM_MINUTES:]
    if len(later) < WARM_MINUTES:
        return
    first, last = (Minute(latencies=[s for each in part for s in each.latencies]) for part in (found[:5], found[-5:]))
    print(f"p99 of the last five minutes / of the first: {last.percentile(0.99) / first.percentile(0.99):.2f} (1.5)")
    for name in ("workflow_execution", "task_execution"):
        worst = max(statistics.mean(each.dead[name]) for each in later if each.dead[name])
        print(f"dead rows of {name}, the worst minute after the first five: {worst:.1f} % of the live ones (20)")
    for pid in later[-1].memory:
        points = [(n, each.memory[pid]) for n, each in enumerate(later) if pid in each.memory]
        slope = statistics.linear_regression(*zip(*points, strict=True)).slope
        print(f"memory of the process {pid}: {10 * slope:+.1f} MiB in ten minutes (10)")


def main() -> None:
    """Run the benchmark."""
    arguments = argparse.ArgumentParser(description="A steady load for a long time.")
    arguments.add_argument("--minutes", type=int, default=30)
    arguments.add_argument("--workers", type=int, default=2, help="server processes")
    arguments.add_argument("--rate", type=float, help="workflows per second; without it, 60 %% of the measured peak")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder, "postgres"))
        cluster.start()
        try:
            with serving(cluster.url(), Path(folder), PROCESS__WORKERS=str(chosen.workers)) as server:
                _judge(asyncio.run(_soak(server, cluster.url(), chosen.minutes, chosen.rate)))
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
