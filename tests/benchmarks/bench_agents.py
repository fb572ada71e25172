"""How fast agents are, beside workflows that do the same: server, PostgreSQL and load together on this machine.

    .venv/bin/python -m tests.benchmarks.bench_agents

A workflow with two tasks at once, and an agent with the same tasks and one suspension, take turns in each round.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

from proto.flovyn.v1 import agent_pb2 as pb
from server.database.embedded import Cluster
from tests.benchmarks.agent_load import AgentConnection
from tests.benchmarks.engine_load import SCRAPER_KEY, Server, cancelled_after, serving

ROUNDS = 5
COUNT = 400
STARTERS, WORKERS, CHANNELS = 16, 32, 8
IN_FLIGHT = 100
WAITING = 10_000
ENTRIES = 10_000

Step = Callable[[AgentConnection], Awaitable[bool]]
"""One turn of a worker; tells whether it ended a workflow or an agent."""


async def _workflow_step(connection: AgentConnection) -> bool:
    workflow = await connection.poll()
    if workflow is None:
        return False
    events = await connection.events(workflow.id)
    if events.count("TASK_COMPLETED") == len(("a", "b")):
        await connection.complete(workflow.id)
        return True
    if "TASK_SCHEDULED" in events:
        await connection.suspend(workflow.id, [])
    else:
        await connection.schedule_both(workflow.id)
    return False


async def _agent_step(connection: AgentConnection, *, talks: bool = False) -> bool:
    agent = await connection.poll_agent()
    return agent is not None and await connection.activation(agent, talks=talks)


async def _talking_step(connection: AgentConnection) -> bool:
    return await _agent_step(connection, talks=True)


async def _start_workflow(connection: AgentConnection) -> None:
    await connection.start_over_rest()


async def _start_agent(connection: AgentConnection) -> None:
    await connection.create()


async def _task_step(connection: AgentConnection) -> bool:
    await connection.work()
    return False


@asynccontextmanager
async def _connections(server: Server) -> AsyncIterator[list[AgentConnection]]:
    queue = uuid4().hex
    connections = [AgentConnection(server, queue) for _ in range(CHANNELS)]
    try:
        yield connections
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))


async def _rate(
    connections: list[AgentConnection], start: Callable[[AgentConnection], Awaitable[None]], step: Step, count: int
) -> float:
    """Return ends per second."""
    left, done, spread = itertools.count(1), itertools.count(1), itertools.cycle(connections)
    finished = asyncio.Event()

    async def starter(connection: AgentConnection) -> None:
        while next(left) <= count:
            await start(connection)

    async def worker(connection: AgentConnection, turn: Step) -> None:
        while True:
            if await turn(connection) and next(done) == count:
                finished.set()

    polling = [asyncio.ensure_future(worker(next(spread), each)) for each in (step, _task_step) for _ in range(WORKERS)]
    with cancelled_after(polling):
        began = time.perf_counter()
        # an HTTP connection carries one request at a time
        await asyncio.gather(*(starter(each) for each in connections))
        ended = asyncio.ensure_future(finished.wait())
        done_first, _ = await asyncio.wait([ended, *polling], timeout=120, return_when=asyncio.FIRST_COMPLETED)
        assert ended in done_first, [each.exception() for each in done_first] or "some have not ended in time"
        rate = count / (time.perf_counter() - began)
    await asyncio.gather(*polling, return_exceptions=True)
    await asyncio.sleep(0.2)  # polls that were cut off leave the server before the next round
    return rate


async def _in_flight(
    connections: list[AgentConnection], start: Callable[[AgentConnection], Awaitable[None]], step: Step
) -> float:
    """Return the median milliseconds from start to end, one after the other."""
    client, worker, tasks = connections[:3]
    ended = asyncio.Event()

    async def run(connection: AgentConnection, turn: Step) -> None:
        while True:
            if await turn(connection):
                ended.set()

    polling = [asyncio.ensure_future(run(worker, step)), asyncio.ensure_future(run(tasks, _task_step))]
    taken = []
    with cancelled_after(polling):
        await asyncio.sleep(0.1)
        for _ in range(IN_FLIGHT):
            began = time.perf_counter()
            await start(client)
            await asyncio.wait_for(ended.wait(), 30)
            ended.clear()
            taken.append((time.perf_counter() - began) * 1000)
    await asyncio.gather(*polling, return_exceptions=True)
    return statistics.median(taken)


async def _wake_ups(connections: list[AgentConnection]) -> list[float]:
    """Return the milliseconds from the acknowledged end of the last task to the answer of the poll that waits."""
    client, worker, tasks = connections[:3]
    taken = []
    for _ in range(IN_FLIGHT):
        await client.create()
        while (agent := await worker.poll_agent()) is None:
            pass
        await worker.activation(agent, talks=False)
        while not await tasks.work():
            pass
        polling = asyncio.ensure_future(_moment_of_agent(worker))
        await asyncio.sleep(0.01)  # the poll is parked by then
        while not await tasks.work():
            pass
        acknowledged = time.perf_counter()
        moment, ident = await polling
        taken.append(max(0.0, moment - acknowledged) * 1000)
        await worker.call("CompleteAgent", pb.CompleteAgentRequest(agent_execution_id=ident))
    return taken


async def _moment_of_agent(worker: AgentConnection) -> tuple[float, str]:
    while (agent := await worker.poll_agent()) is None:
        pass
    return time.perf_counter(), agent.id


async def _reading(server: Server) -> tuple[float, float, float]:
    """Return the seconds of a read of many entries, and the server's MiB before it and at most during it."""
    async with _connections(server) as connections:
        [agent, *_] = [await connections[0].create()]
        text = b'"' + b"x" * 4000 + b'"'
        for _ in range(ENTRIES // 250):
            await asyncio.gather(*(_append(each, agent, text) for each in connections * (250 // CHANNELS + 1)))
        before, most = _resident_mib(server), 0.0
        reading = asyncio.ensure_future(connections[1].entries(agent))
        began = time.perf_counter()
        while not reading.done():
            most = max(most, _resident_mib(server))
            await asyncio.sleep(0.05)
        assert reading.result() >= ENTRIES
        return time.perf_counter() - began, before, most


async def _append(connection: AgentConnection, agent: str, content: bytes) -> None:
    request = pb.AppendEntryRequest(agent_execution_id=agent, entry_type="MESSAGE", content=content)
    await connection.call("AppendEntry", request)


def _resident_mib(server: Server) -> float:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    sizes = []
    for each in children:
        lines = Path(f"/proc/{each}/status").read_text().splitlines()
        sizes += [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")]
    return max(sizes)


async def _waiting(server: Server, url: str) -> tuple[float, float]:
    """Return the statements per second without a WAITING agent, and with many of them."""
    before = await _statements(server)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO agent_execution (tenant_id, id, kind, queue, status, persistence_mode, metadata, input, depth,"
            " claim_at, claim_number, wait_kind, wait_name, created_at, updated_at)"
            " SELECT id, gen_random_uuid(), 'k', 'waiting', 'WAITING', 'REMOTE', '{}', 'null', 0, now(), 1, 'SIGNAL', 's',"
            " now(), now() FROM tenant, generate_series(1, %s) WHERE slug = 'bench'",
            (WAITING,),
        )
    return before, await _statements(server)


async def _statements(server: Server) -> float:
    first = _counted(server)
    await asyncio.sleep(10)
    return (_counted(server) - first) / 10


def _counted(server: Server) -> float:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.http_port}/_/metrics", headers={"authorization": f"Bearer {SCRAPER_KEY}"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(STATEMENTS))


STATEMENTS = "flovyn_statement_duration_seconds_count"


async def _measure(url: str, folder: Path, rounds: int) -> None:
    for workers in ("1", "2"):
        rates: list[tuple[float, ...]] = []
        singles: list[tuple[float, ...]] = []
        with serving(url, folder, PROCESS__WORKERS=workers) as server:
            for _ in range(rounds):
                async with _connections(server) as connections:
                    rates.append(
                        (
                            await _rate(connections, _start_workflow, _workflow_step, COUNT),
                            await _rate(connections, _start_agent, _agent_step, COUNT),
                            await _rate(connections, _start_agent, _talking_step, COUNT),
                        )
                    )
                    singles.append(
                        (
                            await _in_flight(connections, _start_workflow, _workflow_step),
                            await _in_flight(connections, _start_agent, _agent_step),
                            await _in_flight(connections, _start_agent, _talking_step),
                        )
                    )
            async with _connections(server) as connections:
                woken = sorted(await _wake_ups(connections))
        print(f"processes: {workers}")
        _compare("two tasks at once, ends/s", rates, "agent / workflow >= 0.8")
        _compare("one in flight, p50 ms", singles, "agent / workflow <= 1.3")
        print(f"  last task acknowledged -> poll answered, p50 ms {statistics.median(woken):.2f}  (<= 5)", flush=True)


def _compare(name: str, rounds: list[tuple[float, ...]], target: str) -> None:
    workflow, agent, talking = (statistics.median(each) for each in zip(*rounds, strict=True))
    print(
        f"  {name}: workflow {workflow:.1f}, agent {agent:.1f} ({agent / workflow:.2f}), agent with entries and"
        f" checkpoints {talking:.1f} ({talking / workflow:.2f})  ({target})",
        flush=True,
    )


async def _others(url: str, folder: Path) -> None:
    with serving(url, folder) as server:
        seconds, before, most = await _reading(server)
        print(
            f"{ENTRIES} entries of 4 kB read in {seconds:.1f} s; resident MiB before {before:.0f}, at most {most:.0f}"
        )
        idle, waiting = await _waiting(server, url)
        print(f"statements/s without a WAITING agent {idle:.1f}, with {WAITING} {waiting:.1f}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        cluster = Cluster(folder / "postgres")
        cluster.start()
        try:
            asyncio.run(_measure(cluster.url(), folder, rounds))
            asyncio.run(_others(cluster.url(), folder))
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
