"""The ``grpc.aio`` server of a worker process.

It is made after the fork and never before: grpc objects do not survive one. All workers listen on
the one port (SO_REUSEPORT), which the supervising process holds against strangers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from core.endpoints import GrpcService
from server.grpc_api import reflection
from server.grpc_api.guard import Guard

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Above the 4 MiB that clients accept, so that a batch of commands is refused by its parts and not by its size."""

_OPTIONS = (
    ("grpc.so_reuseport", 1),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # bursts of parked polls must queue, not be shed
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
    # workers ping without calls in flight
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)
_LEFTOVERS_S = 0.05

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


class GrpcServer:
    """Serves the given services, the standard health service and server reflection."""

    def __init__(self, services: Sequence[GrpcService], guard: Guard) -> None:
        """Make the server; it listens from ``start`` on."""
        self._in_flight = guard.in_flight
        self._names = [service.descriptor.full_name for service in services]
        self._health = health.HealthServicer()
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers([guard.handlers(service) for service in services])
        self._server.add_generic_rpc_handlers([reflection.handlers(guard, [*self._names, HEALTH])])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    async def start(self, host: str, port: int) -> None:
        """Listen and report SERVING."""
        self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        await self._server.start()
        for name in ("", HEALTH, *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def drain(self, grace: float) -> None:
        """Refuse new calls, let those in flight end within ``grace`` seconds, then close.

        Calls of the health service's ``Watch`` never end by themselves; they are cut once only they are left.
        """
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.ensure_future(self._server.stop(grace))
        idle = asyncio.ensure_future(self._in_flight.idle.wait())
        await asyncio.wait([stopping, idle], return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await self._server.stop(_LEFTOVERS_S)
        await stopping
