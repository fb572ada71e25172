"""The engine on its storage alone, without gRPC, and ``grpc.aio`` alone, without the engine: where the time goes.

Part of ``tests.benchmarks.bench_engine``.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio

from core.clock import SystemClock
from core.launchers import WorkflowLaunch
from core.payload import NULL
from server.config.settings import DatabasePool
from server.config.settings import EngineSettings as Limits
from server.database.pool import Pool, open_pool
from server.domain.submission import SubmissionOutcome
from server.engine.engine import Engine
from server.engine.submission.commands import submission
from server.engine.submission.operations import RecordOperation
from tests.benchmarks.engine_load import TENANT

STEPS, WORKFLOWS, CALLERS = 20_000, 256, 256
FEW, MANY = 100, 50_000
ECHOES, ECHO_CALLERS = 6_000, 48

_STEP = [RecordOperation("op", NULL), RecordOperation("op", NULL)]


@asynccontextmanager
async def _engine(url: str) -> AsyncIterator[tuple[Engine, Pool]]:
    async def notify_none(_channel: str, _payloads: list[str]) -> None:
        """Send no notification: there is one process."""

    async with open_pool(url, DatabasePool()) as pool:
        engine = Engine(pool, Limits(), clock=SystemClock(), notify=notify_none)
        yield engine, pool
        await engine.close()


async def steps_per_second(url: str) -> float:
    """Return workflow steps of two events each, of many workflows at once, grouped."""
    async with _engine(url) as (engine, _):
        launch = WorkflowLaunch(TENANT, "alone", queue="alone")
        workflows = [
            launched.id
            for launched in await asyncio.gather(*(engine.workflows.start(launch) for _ in range(WORKFLOWS)))
        ]
        left, spread = itertools.count(1), itertools.cycle(workflows)

        async def caller() -> None:
            while next(left) <= STEPS:
                await engine.workflows.submit(submission(TENANT, next(spread), _STEP, SubmissionOutcome.RUNNING))

        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return STEPS / (time.perf_counter() - began)


async def submit_by_length(url: str) -> tuple[float, float]:
    """Return the median milliseconds of a submission to a workflow of few events, and to one of many."""
    async with _engine(url) as (engine, pool):
        return await _submit_ms(engine, pool, FEW), await _submit_ms(engine, pool, MANY)


async def _submit_ms(engine: Engine, pool: Pool, events: int) -> float:
    workflow_id = (await engine.workflows.start(WorkflowLaunch(TENANT, "alone", queue="alone"))).id
    async with pool.connection() as connection:
        await connection.execute(
            "WITH run AS (UPDATE workflow_execution SET last_sequence = %(n)s WHERE id = %(id)s RETURNING tenant_id, id)"
            " INSERT INTO workflow_event (tenant_id, workflow_execution_id, sequence, event_type, event_data)"
            " SELECT tenant_id, id, n, 'OPERATION_COMPLETED', '{}' FROM run, generate_series(2, %(n)s) AS n",
            {"n": events, "id": workflow_id},
        )
    taken = []
    for _ in range(200):
        began = time.perf_counter()
        await engine.workflows.submit(submission(TENANT, workflow_id, _STEP, SubmissionOutcome.RUNNING))
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def echoes_per_second() -> float:
    """Return the calls per second of a ``grpc.aio`` server in another process that answers what it is sent."""
    context = multiprocessing.get_context("spawn")
    ports: Any = context.Queue()
    server = context.Process(target=_serve_echo, args=(ports,), daemon=True)
    server.start()
    try:
        return asyncio.run(_load_echo(ports.get(timeout=30)))
    finally:
        server.terminate()
        server.join()


def _serve_echo(ports: Any) -> None:
    async def serve() -> None:
        async def echo(request: bytes, _context: Any) -> bytes:
            return request

        server = grpc.aio.server()
        handlers: dict[str, Any] = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Echo", handlers)])
        ports.put(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        await server.wait_for_termination()

    asyncio.run(serve())


async def _load_echo(port: int) -> float:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        echo: Any = channel.unary_unary("/bench.Echo/Echo")
        await echo(b"x" * 200)
        left = itertools.count(1)

        async def caller() -> None:
            while next(left) <= ECHOES:
                await echo(b"x" * 200)

        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(ECHO_CALLERS)))
        return ECHOES / (time.perf_counter() - began)
