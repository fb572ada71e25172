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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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


@contextmanager
def prometheus(folder: Path, *servers: Serving) -> Iterator[Prometheus]:
    """Run a Prometheus with the rules, which scrapes some servers each second."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    targets = [f"127.0.0.1:{server.http_port}" for server in servers]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str((OBSERVABILITY / "alerts.yml").absolute())],
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
