"""How fast the engine is: server, PostgreSQL and load together on this machine.

    .venv/bin/python -m tests.benchmarks.bench_engine

Every figure is the median of ``ROUNDS`` rounds, with one worker process and with two; PostgreSQL is durable.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

from server.database.embedded import Cluster
from tests.benchmarks.bench_engine_alone import echoes_per_second, steps_per_second, submit_by_length
from tests.benchmarks.engine_load import Connection, Server, cancelled_after, serving

ROUNDS = 5
WORKFLOWS = 600
STARTERS, WORKERS, CALLERS = 32, 48, 64
CHANNELS = 8
PARKED = 10_000

Round = Callable[[list[Connection]], Awaitable[float]]


async def _cycle(connections: list[Connection]) -> float:
    """Return workflows per second from start to end, without a task."""
    left, done = itertools.count(1), itertools.count(1)
    finished = asyncio.Event()

    async def starter(connection: Connection) -> None:
        while next(left) <= WORKFLOWS:
            await connection.start()

    async def worker(connection: Connection) -> None:
        while True:
            workflow = await connection.poll()
            if workflow is not None:
                await connection.events(workflow.id)
                await connection.complete(workflow.id)
                if next(done) == WORKFLOWS:
                    finished.set()

    return await _rate(connections, starter, [worker], finished)


async def _cycle_with_task(connections: list[Connection]) -> float:
    """Return workflows per second from start to end, with one task each."""
    left, done = itertools.count(1), itertools.count(1)
    finished = asyncio.Event()

    async def starter(connection: Connection) -> None:
        while next(left) <= WORKFLOWS:
            await connection.start()

    async def worker(connection: Connection) -> None:
        while True:
            workflow = await connection.poll()
            if workflow is None:
                continue
            if "TASK_COMPLETED" not in await connection.events(workflow.id):
                await connection.schedule(workflow.id, str(uuid4()))
                continue
            await connection.complete(workflow.id)
            if next(done) == WORKFLOWS:
                finished.set()

    async def task_worker(connection: Connection) -> None:
        while True:
            await connection.work()

    return await _rate(connections, starter, [worker, task_worker], finished)


async def _rate(
    connections: list[Connection],
    starter: Callable[[Connection], Awaitable[None]],
    workers: list[Callable[[Connection], Awaitable[None]]],
    finished: asyncio.Event,
) -> float:
    spread = itertools.cycle(connections)
    polling = [asyncio.ensure_future(each(next(spread))) for each in workers for _ in range(WORKERS)]
    with cancelled_after(polling):
        began = time.perf_counter()
        await asyncio.gather(*(starter(next(spread)) for _ in range(STARTERS)))
        await asyncio.wait_for(finished.wait(), 120)
        rate = WORKFLOWS / (time.perf_counter() - began)
    await asyncio.gather(*polling, return_exceptions=True)
    await asyncio.sleep(0.2)  # polls that were cut off leave the server before the next round
    return rate


async def _starts(connections: list[Connection]) -> float:
    """Return acknowledged starts per second; no worker polls."""
    count, left, spread = 3000, itertools.count(1), itertools.cycle(connections)

    async def caller(connection: Connection) -> None:
        while next(left) <= count:
            await connection.start()

    began = time.perf_counter()
    await asyncio.gather(*(caller(next(spread)) for _ in range(CALLERS)))
    return count / (time.perf_counter() - began)


async def _one_in_flight(connections: list[Connection]) -> list[float]:
    """Return the milliseconds of workflows from start to end, one after the other."""
    client, worker = connections[:2]
    taken = []
    for _ in range(150):
        began = time.perf_counter()
        polling = asyncio.ensure_future(worker.poll())
        await client.start()
        workflow = await polling or await worker.poll()
        await worker.events(workflow.id)
        await worker.complete(workflow.id)
        taken.append((time.perf_counter() - began) * 1000)
    return taken


async def _dispatch_delays(connections: list[Connection]) -> list[float]:
    """Return the milliseconds between a start's acknowledgement and the answer to the poll that waits."""
    client, worker = connections[:2]
    taken = []
    for _ in range(150):
        polling = asyncio.ensure_future(worker.poll())
        await asyncio.sleep(0.01)  # the poll is parked by then
        answered = asyncio.ensure_future(_moment_of(polling))
        await client.start()
        acknowledged = time.perf_counter()
        taken.append(max(0.0, await answered - acknowledged) * 1000)
        await worker.complete((await polling).id)
    return taken


async def _moment_of(awaited: Awaitable[object]) -> float:
    await awaited
    return time.perf_counter()


async def _with(server: Server, measure: Callable[[list[Connection]], Awaitable[object]]) -> object:
    queue = uuid4().hex
    connections = [Connection(server, queue) for _ in range(CHANNELS)]
    try:
        return await measure(connections)
    finally:
        await asyncio.gather(*(connection.channel.close() for connection in connections))


async def _rates(server: Server, measure: Round) -> float:
    return statistics.median([float(str(await _with(server, measure))) for _ in range(ROUNDS)])


async def _percentiles(
    server: Server, measure: Callable[[list[Connection]], Awaitable[list[float]]]
) -> tuple[float, float]:
    rounds = []
    for _ in range(ROUNDS):
        taken = await _with(server, measure)
        assert isinstance(taken, list)
        ordered = sorted(taken)
        rounds.append((statistics.median(ordered), ordered[int(len(ordered) * 0.99)]))
    return statistics.median(p50 for p50, _ in rounds), statistics.median(p99 for _, p99 in rounds)


async def _parked(server: Server) -> tuple[int, float, float]:
    """Return how many of many polls are dropped, and the server's MiB and share of a core while they wait."""
    connections = [Connection(server, "parked") for _ in range(CHANNELS)]
    spread = itertools.cycle(connections)
    polls = [asyncio.ensure_future(next(spread).poll()) for _ in range(PARKED)]
    await asyncio.sleep(15)
    before = _cpu_seconds(server.pid)
    await asyncio.sleep(5)
    busy = (_cpu_seconds(server.pid) - before) / 5
    dropped = sum(poll.done() for poll in polls)
    size = sum(_pss_mib(pid) for pid in _family(server.pid))
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    await asyncio.gather(*(connection.channel.close() for connection in connections))
    return dropped, size, busy * 100


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _cpu_seconds(pid: int) -> float:
    ticks = 0
    for each in _family(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / 100


def _pss_mib(pid: int) -> float:
    """Return a process's memory, pages that it shares counted by its share of them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _table(name: str, target: str, figures: list[str]) -> None:
    print(f"{name:<44} {target:>16}  " + "  ".join(f"{figure:>18}" for figure in figures), flush=True)


async def _engine(url: str, folder: Path) -> float:
    """Print what two set-ups do side by side; return the better rate of cycles without a task."""
    columns: list[dict[str, str]] = []
    for workers in (1, 2):
        with serving(url, folder, PROCESS__WORKERS=str(workers)) as server:
            cycle = await _rates(server, _cycle)
            with_task = await _rates(server, _cycle_with_task)
            starts = await _rates(server, _starts)
        with serving(url, folder, PROCESS__WORKERS=str(workers)) as server:
            whole = await _percentiles(server, _one_in_flight)
            hand = await _percentiles(server, _dispatch_delays)
        columns.append(
            {
                "cycle without a task, workflows/s": f"{cycle:.0f}",
                "cycle with one task, workflows/s": f"{with_task:.0f} ({with_task / cycle:.2f})",
                "starts with 64 callers, /s": f"{starts:.0f}",
                "one in flight, p50 / p99 ms": f"{whole[0]:.1f} / {whole[1]:.1f}",
                "start acknowledged -> poll answered, ms": f"{hand[0]:.2f} / {hand[1]:.2f}",
            }
        )
    targets = (">= 250, aim 400", ">= 0.4 of it", ">= 1500", "p50 <= 6", "<= 1 / <= 15")
    for (name, first), second, target in zip(columns[0].items(), columns[1].values(), targets, strict=True):
        _table(name, target, [first, second])
    return max(float(column["cycle without a task, workflows/s"]) for column in columns)


CALLS_OF_A_CYCLE = 4
"""Start, poll, events, complete."""


async def _alone(url: str) -> None:
    steps = statistics.median([await steps_per_second(url) for _ in range(ROUNDS)])
    _table("storage alone, steps of two events, /s", ">= 10000", [f"{steps:.0f}"])
    lengths = [await submit_by_length(url) for _ in range(ROUNDS)]
    few, many = (statistics.median(each) for each in zip(*lengths, strict=True))
    _table("submit at 100 / 50,000 events, ms", "<= 1.5 times", [f"{few:.2f} / {many:.2f} ({many / few:.2f})"])


async def _idle(url: str, folder: Path) -> None:
    with serving(url, folder, ENGINE__POLL_HOLD_MS="60000") as server:
        dropped, size, busy = await _parked(server)
    _table(f"{PARKED} parked polls: dropped, MiB, % core", "0, 400, 5", [f"{dropped}, {size:.0f}, {busy:.1f}"])


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        cluster = Cluster(folder / "postgres")
        cluster.start()
        try:
            _table("", "target", ["1 process", "2 processes"])
            best = asyncio.run(_engine(cluster.url(), folder))
            asyncio.run(_idle(cluster.url(), folder))
            asyncio.run(_alone(cluster.url()))
            echoes = statistics.median([echoes_per_second() for _ in range(ROUNDS)])
            share = best * CALLS_OF_A_CYCLE / echoes
            _table("bare grpc.aio echo, calls/s; cycle's share", "aim >= 0.45", [f"{echoes:.0f} ({share:.2f})"])
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
