"""Measures the console: its first page, a history of 50,000 events, and many open consoles.

    .venv/bin/python -m tests.benchmarks.bench_console [--events 50000] [--consoles 200] [--seconds 30]

It serves this source tree on a PostgreSQL of its own, and opens the console in Chromium. Open consoles are imitated: each
asks what the page of workflows asks, as often as it does. The script prints milliseconds, bytes, the processor time of the
server in percent of a core, and transactions of the database per second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
from playwright.async_api import BrowserContext, Response, expect

from server.database.embedded import Cluster
from tests.browser.pages import Console, Workflow
from tests.browser.seeds import calls_at
from tests.browser.served import ADMIN_KEY, Visit, visiting

_LIST_EVERY_S, _COUNTS_EVERY_S = 10.0, 30.0
_LIST = "/api/v1/tenants/test/workflow-executions?limit=50&view=summary"
_COUNTS = "/api/v1/tenants/test/workflow-executions/counts"
_FRAMES = """async (frame) => {
  let longest = 0, before = performance.now();
  for (let step = 0; step < 120; step++) {
    frame.scrollTop = (frame.scrollHeight * step) / 120;
    await new Promise(requestAnimationFrame);
    longest = Math.max(longest, performance.now() - before);
    before = performance.now();
  }
  return longest;
}"""


async def first_page(visit: Visit) -> None:
    """Print how long the first page takes in a new browser, and its bytes."""
    await Console(visit.page).sign_in()
    state = await visit.context.storage_state()
    for _ in range(3):
        context = await visit.browser.new_context(base_url=visit.server.origin, storage_state=state)
        await _first_page_in(context)
        await context.close()


async def _first_page_in(context: BrowserContext) -> None:
    page, answers = await context.new_page(), list[Response]()

    def noted(answer: Response) -> None:
        answers.append(answer)

    page.on("response", noted)
    begun = time.perf_counter()
    await page.goto("/console")
    await expect(page.get_by_role("heading", level=1, name="Workflows")).to_be_visible()
    await expect(page.locator(".loading")).to_have_count(0)
    took = (time.perf_counter() - begun) * 1000
    sizes = [await each.request.sizes() for each in answers]
    sent = sum(each["responseBodySize"] + each["responseHeadersSize"] for each in sizes)
    print(f"first page: {took:.0f} ms, {len(answers)} answers, {sent:,} bytes")


async def long_history(visit: Visit, database: str, events: int) -> None:
    """Print how long a long history takes to open, and its longest frame while it is scrolled."""
    workflow_id = await calls_at(visit.worker).start(workflow_kind="long")
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO workflow_event (tenant_id, workflow_execution_id, sequence, event_type, event_data)"
            " SELECT tenant_id, id, n, 'OPERATION_COMPLETED', json_build_object('operationName', 'o' || n, 'output', n)"
            " FROM workflow_execution, generate_series(2, %s) AS n",
            [events],
        )
        connection.execute("UPDATE workflow_execution SET last_sequence = %s", [events])
    shown = Workflow(visit.page)
    begun = time.perf_counter()
    await shown.open(f"/workflows/{workflow_id}")
    await shown.show("Events")
    frame = visit.page.get_by_role("group", name="Events, in their order")
    await expect(frame.get_by_role("button").first).to_be_visible()
    took = (time.perf_counter() - begun) * 1000
    longest = await frame.evaluate(_FRAMES)
    print(f"{events:,} events: open in {took:.0f} ms; longest frame while scrolling {longest:.0f} ms")


async def open_consoles(visit: Visit, database: str, consoles: int, seconds: float) -> None:
    """Print what many open consoles cost the server and the database."""
    pid = visit.server.serving.process.pid
    async with _asking(visit, consoles):
        await asyncio.sleep(2)
        used, transactions, begun = _used(pid), _transactions(database), time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - begun
        share = (_used(pid) - used) / took * 100
        rate = (_transactions(database) - transactions) / took
    print(f"{consoles} consoles: {share:.1f} % of a core, {rate:.1f} transactions/s")


@contextlib.asynccontextmanager
async def _asking(visit: Visit, consoles: int) -> AsyncIterator[None]:
    async def console(number: int) -> None:
        await asyncio.sleep(number * _LIST_EVERY_S / consoles)
        turn = 0
        while True:
            await _ask(visit, _LIST)
            if turn % round(_COUNTS_EVERY_S / _LIST_EVERY_S) == 0:
                await _ask(visit, _COUNTS)
            turn += 1
            await asyncio.sleep(_LIST_EVERY_S)

    tasks = [asyncio.create_task(console(number)) for number in range(consoles)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask(visit: Visit, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", visit.server.serving.http_port)
    head = f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN_KEY}\r\nconnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(answer[:300])


def _used(pid: int) -> float:
    """Return the processor seconds of a process and its children."""
    family = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    ticks = (Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:13] for each in family)
    return sum(int(user) + int(system) for user, system in ticks) / 100


def _transactions(database: str) -> int:
    with psycopg.connect(database) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        row = connection.execute(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


async def _measure(database: str, folder: Path, arguments: argparse.Namespace) -> None:
    async with visiting(database, folder) as visit:
        await first_page(visit)
        await open_consoles(visit, database, arguments.consoles, arguments.seconds)
        await long_history(visit, database, arguments.events)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--consoles", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cluster = Cluster(folder / "data")
        cluster.start()
        try:
            asyncio.run(_measure(cluster.url(), folder, arguments))
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
