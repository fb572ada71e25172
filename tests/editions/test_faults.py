"""One campaign over a list of faults: after each of them, nothing is lost, nothing is done twice and nothing is stuck.

Two servers of a built edition share one database. Clients talk to the first server and workers to the second one. While
orders run, one fault happens. The test then waits for a bounded time and counts in the database:

- lost: an acknowledged order that is not there, or has failed;
- doubled: a history with a gap, with two ends, or with two results of one task, timer or promise;
- stuck: an order, a child or a task that has not ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.support.load import Load
from tests.support.orders import Orders
from tests.support.postgres import CrashingCluster
from tests.support.proxy import Proxy, proxied
from tests.support.repetitions import LONG, times
from tests.support.restarting import IMPATIENT, Restarting
from tests.support.styles import FFI, RUST

ORDERS = times(4, 60)
"""Orders of each family that run while a fault happens."""

OUTAGE_S = 4.0
"""How long a fault lasts, in seconds: longer than the leases of ``IMPATIENT``."""

SETTLED_S = times(60, 90)
"""After the fault, everything has ended within this time, in seconds; a busy machine needs most of it."""

FAN_OUT = 200
PARKED = times(500, 10_000)
SLOW_S = 0.05
DISK_MIB = 96
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
CAN_SHIFT_CLOCKS = FAKETIME.exists()

COUNTS = """
    WITH history AS (
        SELECT w.tenant_id, w.id, w.status, w.completed_at, w.last_sequence, count(e.*) AS events,
            count(e.*) FILTER (WHERE e.event_type IN ('WORKFLOW_COMPLETED', 'WORKFLOW_EXECUTION_FAILED')) AS ends,
            count(e.*) FILTER (WHERE e.event_type = 'TASK_COMPLETED')
                - count(DISTINCT e.event_data ->> 'taskExecutionId') FILTER (WHERE e.event_type = 'TASK_COMPLETED')
                + count(e.*) FILTER (WHERE e.event_type = 'TIMER_FIRED')
                - count(DISTINCT e.event_data ->> 'timerId') FILTER (WHERE e.event_type = 'TIMER_FIRED')
                + count(e.*) FILTER (WHERE e.event_type = 'PROMISE_CREATED')
                - count(DISTINCT e.event_data ->> 'promiseId') FILTER (WHERE e.event_type = 'PROMISE_CREATED') AS again
        FROM workflow_execution AS w
        LEFT JOIN workflow_event AS e ON e.tenant_id = w.tenant_id AND e.workflow_execution_id = w.id
        WHERE w.kind IN ('order', 'part', 'wide')
        GROUP BY w.tenant_id, w.id
    )
    SELECT
        cardinality(%(acknowledged)s::uuid[])
            - (SELECT count(*) FROM history WHERE id = ANY(%(acknowledged)s) AND status <> 'FAILED'),
        (SELECT count(*) FROM history WHERE ends > 1 OR again > 0 OR events <> last_sequence),
        (SELECT count(*) FROM history WHERE completed_at IS NULL)
            + (SELECT count(*) FROM task_execution WHERE kind = 'double' AND status IN ('PENDING', 'RUNNING'))
"""


class Deployment:
    """Two servers on one database, and the proxy between them and it."""

    def __init__(self, cluster: CrashingCluster, proxy: Proxy, servers: list[Restarting]) -> None:
        self.cluster = cluster
        self.proxy = proxy
        self.first, self.second = servers

    async def execute(self, *statements: str) -> None:
        """Run statements in the database, past the proxy."""
        async with await psycopg.AsyncConnection.connect(self.cluster.url(), autocommit=True) as connection:
            for statement in statements:
                await connection.execute(statement.encode())

    async def counts(self, acknowledged: list[str]) -> tuple[int, int, int]:
        """Return how many are lost, doubled and stuck."""
        async with await psycopg.AsyncConnection.connect(self.cluster.url()) as connection:
            row = await (await connection.execute(COUNTS, {"acknowledged": acknowledged})).fetchone()
        assert row is not None
        lost, doubled, stuck = row
        return lost, doubled, stuck


DROP_LISTENERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE 'LISTEN%'
"""


async def _server_killed(deployment: Deployment, _orders: Orders) -> None:
    for server in (deployment.second, deployment.first):
        await asyncio.to_thread(server.server.kill)
        await server.stop()
        await server.start()


async def _process_killed(deployment: Deployment, _orders: Orders) -> None:
    for server in (deployment.first, deployment.second):
        await server.disturb("SIGKILL")


async def _database_restarted(deployment: Deployment, _orders: Orders) -> None:
    await asyncio.to_thread(deployment.cluster.crash)
    await asyncio.sleep(OUTAGE_S)  # the outage
    await asyncio.to_thread(deployment.cluster.come_back)


async def _server_frozen(deployment: Deployment, _orders: Orders) -> None:
    process = deployment.second.server.process
    pids = [process.pid, *deployment.second.server.workers()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(OUTAGE_S)  # the freeze
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


async def _black_hole(deployment: Deployment, _orders: Orders) -> None:
    with deployment.proxy.swallowing():
        await asyncio.sleep(OUTAGE_S)  # the outage


async def _slow_database(deployment: Deployment, _orders: Orders) -> None:
    with deployment.proxy.delaying(SLOW_S):
        await asyncio.sleep(OUTAGE_S)  # the slow time


async def _clock_shifted(deployment: Deployment, _orders: Orders) -> None:
    for hours in ("+1h", "-1h"):
        await deployment.second.restart(LD_PRELOAD=str(FAKETIME), FAKETIME=hours)
        await asyncio.sleep(OUTAGE_S / 2)  # the time with a wrong clock


async def _fan_out(deployment: Deployment, orders: Orders) -> None:
    """A workflow schedules 200 tasks at once, and a process of its worker's server is killed meanwhile."""
    await orders.start_wide(FAN_OUT)
    await deployment.second.disturb("SIGKILL")


async def _wakeups_lost(deployment: Deployment, _orders: Orders) -> None:
    for _ in range(4):
        await deployment.execute(DROP_LISTENERS)
        await asyncio.sleep(OUTAGE_S / 4)  # between two losses


async def _polls_parked(deployment: Deployment, _orders: Orders) -> None:
    async with Load(deployment.second.server.grpc_port, 1, PARKED) as load:
        await load.more(100)


async def _read_only(deployment: Deployment, _orders: Orders) -> None:
    alter = "ALTER SYSTEM {} default_transaction_read_only"
    await deployment.execute(alter.format("SET") + " = on", "SELECT pg_reload_conf()")
    await asyncio.sleep(OUTAGE_S)  # the time without writes
    await deployment.execute(alter.format("RESET"), "SELECT pg_reload_conf()")


async def _disk_full(deployment: Deployment, _orders: Orders) -> None:
    filler = deployment.cluster.folder / "filler"
    with filler.open("wb") as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
            file.flush()
    await asyncio.sleep(OUTAGE_S)  # the time without space
    filler.unlink()
    if not deployment.cluster.runs():
        await asyncio.to_thread(deployment.cluster.come_back)


async def _rolling_upgrade(deployment: Deployment, _orders: Orders) -> None:
    for server in (deployment.first, deployment.second):
        await server.disturb("SIGTERM")
        await server.disturb("SIGHUP")


FAULTS: dict[str, Callable[[Deployment, Orders], Awaitable[None]]] = {
    "server killed": _server_killed,
    "process killed": _process_killed,
    "database restarted": _database_restarted,
    "server frozen": _server_frozen,
    "black hole": _black_hole,
    "slow database": _slow_database,
    "clock shifted": _clock_shifted,
    "fan-out of 200": _fan_out,
    "wake-ups lost": _wakeups_lost,
    "polls parked": _polls_parked,
    "database read-only": _read_only,
    "disk full": _disk_full,
    "rolling upgrade": _rolling_upgrade,
}
IN_SHORT = {"server frozen", "slow database", "clock shifted"}
"""The other faults have tests of their own in the short form."""


@contextmanager
def _disk(folder: Path, name: str) -> Iterator[Path]:
    """A folder for the database; for a full disk one with a file system of its own, which needs the right to mount."""
    if name != "disk full":
        yield folder
        return
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=777", "tmpfs", disk],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("a full disk needs the right to mount a file system")
    try:
        yield disk
    finally:
        subprocess.run(["/bin/umount", "-l", disk], check=True)


@asynccontextmanager
async def _deployed(folder: Path) -> AsyncIterator[Deployment]:
    cluster = CrashingCluster(folder / "postgres")
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(cluster.start)
        stack.push_async_callback(asyncio.to_thread, cluster.stop)
        proxy, url = await stack.enter_async_context(proxied(cluster.url()))
        servers = [Restarting(url, **IMPATIENT, DATABASE__CONNECT_TIMEOUT="1") for _ in range(2)]
        for server in servers:
            await server.start()
            stack.push_async_callback(server.stop)
        yield Deployment(cluster, proxy, servers)


@pytest.mark.parametrize("name", [name for name in FAULTS if LONG or name in IN_SHORT])
async def test_nothing_is_lost_doubled_or_stuck(name: str, tmp_path: Path) -> None:
    """A fault while orders run leaves 0 lost, 0 doubled and 0 stuck."""
    if name == "clock shifted" and not CAN_SHIFT_CLOCKS:
        pytest.skip("a shifted clock needs libfaketime")
    with _disk(tmp_path, name) as folder:
        await _check(name, folder)


async def _check(name: str, folder: Path) -> None:
    async with _deployed(folder) as deployment, AsyncExitStack() as stack:
        ports = deployment.first.server.grpc_port, deployment.second.server.grpc_port
        families = [Orders(ports[0], FFI, ports[1]), Orders(ports[1], RUST, ports[0])]
        for orders in families:
            await stack.enter_async_context(orders.serving())
        async with asyncio.TaskGroup() as group:
            for number in range(ORDERS):
                for orders in families:
                    group.create_task(orders.start(number))
            await families[0].workers.more(5)
            await FAULTS[name](deployment, families[0])
            for number in range(ORDERS, ORDERS + 2):
                for orders in families:
                    group.create_task(orders.start(number))
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLED_S), asyncio.TaskGroup() as group:
                for orders in families:
                    group.create_task(orders.finish(ORDERS + 2))
        counts = await deployment.counts([each for orders in families for each in (*orders.started, *orders.wide)])
        assert dict(zip(("lost", "doubled", "stuck"), counts, strict=True)) == {"lost": 0, "doubled": 0, "stuck": 0}
