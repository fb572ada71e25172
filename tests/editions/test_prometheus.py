"""A real Prometheus, as Debian packages it, scrapes two servers with two worker processes each.

The programs ``prometheus`` and ``promtool`` must be on PATH: ``.ci/run`` installs the package and runs this target.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.support.orders import Orders
from tests.support.pex import FOR_TENANT, Serving, serving
from tests.support.running import TENANT, WORKER_KEY
from tests.support.styles import FFI

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SCRAPER = "the-key-of-a-scraper"
SETTINGS = {
    **FOR_TENANT,
    "AUTH__STATIC_API_KEY__KEYS": json.dumps(
        [{"key": WORKER_KEY, "tenant_id": str(TENANT)}, {"key": SCRAPER, "role": "SCRAPER"}]
    ),
    "PROCESS__WORKERS": "2",
    "METRICS__TENANTS": json.dumps([str(TENANT)]),
}
ORDERS = 20
WITHIN_S = 120.0
"""The longest time for which a test waits for a series."""

OBSERVABILITY = Path("deploy/observability")
IN_EXPRESSION = re.compile(r"\b((?:flovyn|process)_[a-z0-9_]+)")


def _promtool(*arguments: str, text: str | None = None) -> None:
    done = subprocess.run(
        ["promtool", *arguments],  # noqa: S607 - PATH says where
        input=text,
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": PATH},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _expressions() -> set[str]:
    """Return the expressions of the dashboard, and those of the alerts, as Prometheus gets them."""
    dashboard = json.loads((OBSERVABILITY / "dashboard.json").read_text("utf-8"))
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    alerts = (OBSERVABILITY / "alerts.yml").read_text("utf-8")
    rules = re.findall(r"expr: (?:\|\n((?: {10}.*\n)+)|(.*)\n)", alerts)
    return {each.replace("$__rate_interval", "1m") for each in panels} | {block or line for block, line in rules}


class Prometheus:
    """A Prometheus that runs, asked over HTTP."""

    def __init__(self, port: int) -> None:
        self._port = port

    def query(self, expression: str) -> list[Any]:
        """Return the series of an expression."""
        data = urllib.parse.urlencode({"query": expression}).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/query", data, timeout=10) as answer:
            result: list[Any] = json.load(answer)["data"]["result"]
        return result

    async def fires(self, alert: str) -> None:
        """Wait until an alert fires."""
        await self.until(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')

    async def until(self, expression: str) -> list[Any]:
        """Return the series of an expression once there are any."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                try:
                    found = await asyncio.to_thread(self.query, expression)
                except OSError:  # it is starting
                    found = []
                if found:
                    return found
                await asyncio.sleep(0.2)


def _rules(folder: Path, *, hasty: bool) -> Path:
    """Return the file with the rules; hasty ones do not wait until a fault lasts."""
    rules = (OBSERVABILITY / "alerts.yml").absolute()
    if not hasty:
        return rules
    text = re.sub(r"for: \d+m", "for: 0s", rules.read_text("utf-8")).replace("[5m]", "[10s]")
    (folder / "alerts.yml").write_text(text, "utf-8")
    return folder / "alerts.yml"


@contextmanager
def prometheus(folder: Path, *servers: Serving, hasty: bool = False) -> Iterator[Prometheus]:
    """Run a Prometheus with the rules, which scrapes some servers each second."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    targets = [f"127.0.0.1:{server.http_port}" for server in servers]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(_rules(folder, hasty=hasty))],
        "scrape_configs": [
            {
                "job_name": "flovyn-server",
                "metrics_path": "/_/metrics",
                "authorization": {"credentials": SCRAPER},
                "static_configs": [{"targets": targets}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config), "utf-8")
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (
        (folder / "prometheus.log").open("w") as log,
        subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log, env={"PATH": PATH}
        ) as process,
    ):
        try:
            yield Prometheus(port)
        finally:
            process.terminate()


async def _carry_out(server: Serving) -> None:
    orders = Orders(server.grpc_port, FFI)
    async with orders.serving(), asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(orders.settle(ORDERS))
        for number in range(ORDERS):
            group.create_task(orders.start(number))


def _scrape(server: Serving) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.http_port}/_/metrics", headers={"authorization": f"Bearer {SCRAPER}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        text: str = answer.read().decode()
    return text


def test_the_rules_are_valid_and_each_alert_fires_on_its_fault() -> None:
    """The file of tests has the fault of each alert, and a server without faults."""
    _promtool("check", "rules", str(OBSERVABILITY / "alerts.yml"))
    _promtool("test", "rules", str(OBSERVABILITY / "alerts_test.yml"))
    alerts = set(re.findall(r"alert: (\w+)", (OBSERVABILITY / "alerts.yml").read_text("utf-8")))
    tested = set(re.findall(r'alertname="(\w+)"', (OBSERVABILITY / "alerts_test.yml").read_text("utf-8")))
    sections = set(re.findall(r"^### (Flovyn\w+)$", Path("docs/operations.md").read_text("utf-8"), re.MULTILINE))
    assert alerts == tested == sections


async def test_prometheus_finds_every_metric_of_dashboard_and_alerts(empty_database: str, tmp_path: Path) -> None:
    """Under work, each metric that an expression names has series, and sums survive the kill of a worker process."""
    async with (
        serving("FULL_PEX", empty_database, **SETTINGS) as one,
        serving("FULL_PEX", empty_database, **SETTINGS) as two,
    ):
        with prometheus(tmp_path, one, two) as collector:
            await asyncio.gather(_carry_out(one), _carry_out(two))
            await collector.until("count(up == 1) == 2")
            started = "sum(flovyn_workflows_started_total)"
            before = float((await collector.until(f"{started} > {2 * ORDERS - 1}"))[0]["value"][1])
            os.kill(one.workers()[0], signal.SIGKILL)
            await collector.until("sum(flovyn_worker_process_starts_total) == 5")
            assert float((await collector.until(started))[0]["value"][1]) == before
            texts = [await asyncio.to_thread(_scrape, each) for each in (one, two)]
            for text in texts:
                await asyncio.to_thread(_promtool, "check", "metrics", text=text)
            declared = set(re.findall(r"^# TYPE (\S+)", texts[0], re.MULTILINE))
            for expression in _expressions():
                await asyncio.to_thread(collector.query, expression)
                for name in IN_EXPRESSION.findall(expression):
                    assert re.sub(r"_(bucket|sum|count)$", "", name) in declared or name in declared, name


LOSE_MIGRATION = """
    DELETE FROM _plugin_migrations
    WHERE plugin = 'core' AND version = (SELECT max(version) FROM _plugin_migrations WHERE plugin = 'core')
"""
TAKE_LEAD = "SELECT pg_try_advisory_lock(hashtextextended('flovyn:leader', 0))"
END_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
AGE_WORK = "UPDATE workflow_execution SET updated_at = now() - interval '10 minutes'"
ADD_LATE_TIMER = """
    INSERT INTO timer (tenant_id, workflow_execution_id, timer_id, fire_at)
    SELECT tenant_id, id, 'late', now() - interval '1 minute' FROM workflow_execution
"""
STARTS = "/api/v1/tenants/test/workflow-executions"
SCHEDULES = "/api/v1/tenants/test/schedules"
AT_ONCE = 60
KILLS = 7


class Faults:
    """Makes the fault of each alert, until the alert fires."""

    def __init__(self, server: Serving, collector: Prometheus, connection: psycopg.AsyncConnection[Any]) -> None:
        self._server = server
        self._collector = collector
        self._connection = connection

    async def lose_a_migration(self) -> None:
        await self._execute(LOSE_MIGRATION)
        await self._collector.fires("FlovynMigrationsPending")

    async def leave_work_without_a_worker(self) -> None:
        await self._call("POST", STARTS, {"kind": "k", "queue": "stuck"})
        await self._execute(AGE_WORK)
        await self._collector.fires("FlovynQueueStuck")
        await self._collector.fires("FlovynNoPoller")

    async def take_the_lead(self) -> None:
        """Hold the lock of the leader, so that timers that no process knows do not fire."""
        async with asyncio.timeout(60):
            while not (await self._execute(TAKE_LEAD))[0][0]:
                await self._execute(END_OTHERS)
        await self._collector.fires("FlovynNoLeader")
        await self._execute(ADD_LATE_TIMER)
        await self._collector.fires("FlovynTimerLate")

    async def lock_a_table(self) -> None:
        """Let calls wait in the database, so that others wait for connections."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            async with self._connection.transaction():
                await self._execute("LOCK TABLE schedule")
                calls = [threads.submit(self._server.send, "GET", SCHEDULES, WORKER_KEY) for _ in range(AT_ONCE)]
                await self._collector.fires("FlovynPoolExhausted")
            for each in calls:
                with suppress(OSError):
                    each.result()

    async def break_a_table(self) -> None:
        """Let calls fail by the server."""
        await self._execute("ALTER TABLE schedule RENAME TO schedule_lost")
        await self._until_fires("FlovynErrors", "GET", SCHEDULES)
        await self._execute("ALTER TABLE schedule_lost RENAME TO schedule")

    async def stop_the_audit_log(self) -> None:
        """Let more calls end than the queue of the plugin holds while its table is locked."""
        async with self._connection.transaction():
            await self._execute("LOCK TABLE p_audit_log__events IN SHARE MODE")  # scrapes read its size
            await self._until_fires("FlovynAuditDrops", "POST", STARTS, {"kind": "k"})

    async def kill_processes(self) -> None:
        for number in range(KILLS):
            (worker,) = self._server.workers()
            os.kill(worker, signal.SIGKILL)
            await asyncio.to_thread(self._server.wait_for, "serving", count=number + 2)
        await self._collector.fires("FlovynRestartLoop")

    async def stop_the_server(self) -> None:
        self._server.process.terminate()
        await self._collector.fires("FlovynServerDown")

    async def _execute(self, statement: str) -> list[tuple[Any, ...]]:
        cursor = await self._connection.execute(statement.encode())
        return await cursor.fetchall() if cursor.description else []

    async def _call(self, method: str, path: str, body: object = None) -> None:
        with suppress(OSError):  # too slow an answer is none
            await asyncio.to_thread(self._server.send, method, path, WORKER_KEY, body)

    async def _until_fires(self, alert: str, method: str, path: str, body: object = None) -> None:
        async def call_again_and_again() -> None:
            while True:
                await self._call(method, path, body)

        calling = asyncio.create_task(call_again_and_again())
        try:
            await self._collector.fires(alert)
        finally:
            calling.cancel()
            await asyncio.wait([calling])


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(folder)], check=True)  # noqa: S607
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607


async def test_each_alert_fires_when_its_fault_is_made(empty_database: str, tmp_path: Path) -> None:
    """The faults are real: a real server is stuck, slow, broken, killed and stopped. Needs root, for a small disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    settings = {
        **SETTINGS,
        "PROCESS__WORKERS": "1",
        "DATABASE__POOL_SIZE": "2",
        "PLUGINS__AUDIT_LOG__QUEUE_SIZE": "10",
        "TMPDIR": str(disk),
    }
    with _small_disk(disk):
        async with (
            serving("FULL_PEX", empty_database, **settings) as server,
            await psycopg.AsyncConnection.connect(empty_database, autocommit=True) as connection,
        ):
            with prometheus(tmp_path, server, hasty=True) as collector:
                await collector.until("up == 1")
                faults = Faults(server, collector, connection)
                await collector.fires("FlovynDiskFull")
                await faults.lose_a_migration()
                await faults.leave_work_without_a_worker()
                await faults.lock_a_table()
                await faults.break_a_table()
                await faults.stop_the_audit_log()
                await faults.take_the_lead()
                await faults.kill_processes()
                await faults.stop_the_server()
