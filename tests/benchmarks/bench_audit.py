"""The cost of the audit log in a workflow's cycle: start, poll, history, completion.

    .venv/bin/python -m tests.benchmarks.bench_audit

Three servers in this process, each on a database of its own: without the plugin, and with it in either mode. Rounds are
interleaved, so that a noisy machine is noisy for all of them alike. Clients and server share the processors and the
process, so the rate is smaller than a server's; PostgreSQL's own CPU is not in the milliseconds.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

from plugins.audit_log.plugin import AuditLogPlugin
from proto.flovyn.v1 import workflow_pb2
from tests.support.postgres import running_cluster
from tests.support.running import CONFIG, TENANT, Client, bearer, running_server

ROUNDS = 31
CLIENTS = 32
CYCLES = 6
"""Of each client in a round."""

COMPLETE = workflow_pb2.WorkflowCommand(
    sequence_number=1, complete_workflow=workflow_pb2.CompleteWorkflowCommand(output=b'"done"')
)
VARIANTS: dict[str, dict[str, Any] | None] = {
    "without": None,
    "best_effort": {"mode": "best_effort"},
    "required": {"mode": "required"},
}


async def _cycle(client: Client, queue: str) -> None:
    start = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k", queue=queue, input=b"1")
    await client.dispatch.StartWorkflow(start, metadata=bearer())
    poll = workflow_pb2.PollRequest(worker_id="w", tenant_id=str(TENANT), queue=queue, timeout_seconds=30)
    answer = await client.dispatch.PollWorkflow(poll, metadata=bearer())
    workflow_id = answer.workflow_execution.id
    history = workflow_pb2.GetEventsRequest(workflow_execution_id=workflow_id)
    await client.dispatch.GetEvents(history, metadata=bearer())
    done = workflow_pb2.SubmitWorkflowCommandsRequest(
        workflow_execution_id=workflow_id, commands=[COMPLETE], status=workflow_pb2.WORKFLOW_STATUS_COMPLETED
    )
    await client.dispatch.SubmitWorkflowCommands(done, metadata=bearer())


async def _round(client: Client) -> tuple[float, float]:
    """Return cycles per second, and this process's milliseconds of CPU per cycle; what was put off counts, too."""

    async def work(number: int) -> None:
        for _ in range(CYCLES):
            await _cycle(client, f"q{number}")

    cycles = CLIENTS * CYCLES
    started, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work(number) for number in range(CLIENTS)))
    for plugin in client.registry.plugins():
        await plugin._parts.recorder.flush()  # type: ignore[attr-defined]
    return cycles / (time.perf_counter() - started), (time.process_time() - busy) * 1000 / cycles


async def _measure(fresh: Callable[[], str]) -> dict[str, list[tuple[float, float]]]:
    async with AsyncExitStack() as stack:
        clients = {}
        for name, settings in VARIANTS.items():
            plugins = [] if settings is None else [AuditLogPlugin]
            config = CONFIG if settings is None else {**CONFIG, "plugins": {"audit_log": settings}}
            clients[name] = await stack.enter_async_context(running_server(fresh(), plugins, config))
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
        orders = random.Random(1)  # noqa: S311 - an order, from a seed
        for number in range(ROUNDS + 1):
            for name in orders.sample(list(clients), len(clients)):  # no client always follows the same one
                rate = await _round(clients[name])
                if number:  # the first round warms up
                    rates[name].append(rate)
    return rates


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, running_cluster(Path(folder)) as databases, ExitStack() as stack:
        rates = asyncio.run(_measure(lambda: stack.enter_context(databases.migrated())))
    print(f"{CLIENTS} clients, {ROUNDS} rounds of {CLIENTS * CYCLES} cycles")
    print(
        "audit log         cycles/s, of without    upper quartile, of without    lowest..highest   CPU ms/cycle (median)"
    )
    off = [speed for speed, _ in rates["without"]]
    for name, values in rates.items():
        speeds = [speed for speed, _ in values]
        middle, upper = statistics.median(speeds), _upper(speeds)
        busy = statistics.median(each for _, each in values)
        print(
            f"{name:<14} {middle:>11.1f} {middle / statistics.median(off):>11.3f} {upper:>17.1f} {upper / _upper(off):>11.3f}"
            f" {min(speeds):>12.0f}..{max(speeds):.0f} {busy:>15.2f}"
        )


def _upper(speeds: list[float]) -> float:
    """Return the speed that a quarter of the rounds reaches: those that other programs disturbed least."""
    return statistics.quantiles(speeds, n=4)[2]


if __name__ == "__main__":
    main()
