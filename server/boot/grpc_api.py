"""Step: the gRPC server. It is imported in worker processes alone, because objects of grpc do not survive a fork."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from core.auth import Protocol
from core.clock import Clock
from core.endpoints import GrpcService
from server.admission.call_caps import CallCaps
from server.admission.pipeline import Admission
from server.boot.authentication import Authentication
from server.boot.stopping import Stopping
from server.config import Settings
from server.config.descriptors import share
from server.database.notifications import Notifications
from server.database.server_process import ServerProcess
from server.engine.engine import Engine
from server.grpc_api.guard import GrpcGuard
from server.grpc_api.server import GrpcServer
from server.grpc_api.services.agent_dispatch import AgentDispatch
from server.grpc_api.services.task_execution import TaskExecution
from server.grpc_api.services.worker_lifecycle import WorkerLifecycle
from server.grpc_api.services.workflow_dispatch import WorkflowDispatch
from server.grpc_api.services.workflow_query import WorkflowQuery

LOCKED_WITHIN_S = 2.0
"""For how long the start waits for the lock on the number of the process, in seconds."""


@dataclass(frozen=True, slots=True)
class GrpcApi:
    """The running gRPC server.

    Attributes:
        services: the server's services and the plugins'.
        drain: begins to stop the process: parked polls are answered, and calls in flight may end. Safe to repeat.
    """

    services: Sequence[GrpcService]
    drain: Callable[[], asyncio.Task[None]]


def server_services(settings: Settings, engine: Engine, process: ServerProcess, clock: Clock) -> list[GrpcService]:
    """Return the services of the server itself."""
    hold = settings.engine.poll_hold_ms / 1000
    return [
        WorkflowDispatch(engine, process.claim, clock, hold).service(),
        WorkflowQuery().service(),
        TaskExecution(engine, process.claim, hold).service(),
        AgentDispatch(engine, process.claim, hold).service(),
        WorkerLifecycle(engine.workers).service(),
    ]


@asynccontextmanager
async def serve_grpc(
    settings: Settings,
    services: Sequence[GrpcService],
    authentication: Authentication,
    engine: Engine,
    *,
    call_caps: CallCaps,
    listening: Notifications,
    stopping: Stopping,
) -> AsyncIterator[GrpcApi]:
    """Serve gRPC until the context ends or ``drain`` is called."""
    stack = authentication.stacks[Protocol.GRPC]
    admission = Admission(stack, authentication.observers, call_caps, authentication.meter)
    guard = GrpcGuard(admission, engine.repeats, engine.tasks.connections)
    server = GrpcServer(services, guard, settings.limits, share(settings).grpc)
    draining: list[asyncio.Task[None]] = []

    def drain() -> asyncio.Task[None]:
        if not draining:
            stopping.begin()
            engine.drain()
            draining.append(asyncio.create_task(server.drain(grace=stopping.grace_for_calls)))
        return draining[0]

    with suppress(TimeoutError):  # the first claims then carry the number of the process
        await asyncio.wait_for(listening.connected.wait(), LOCKED_WITHIN_S)
    await server.start(settings.bind_host, settings.grpc_server_port)
    try:
        yield GrpcApi(services, drain)
    finally:
        await drain()
        await authentication.observers.close()
