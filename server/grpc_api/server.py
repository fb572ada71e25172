"""The ``grpc.aio`` server of a worker process.

It is made after the fork and never before: grpc objects do not survive one. All workers listen on
the one port (SO_REUSEPORT), which the supervising process holds against strangers.

grpc.aio takes a call off a listener and then, some turns of the event loop later, the next one. Under load the others
would wait there, one by one, and reach the batches of ``core.batching`` too late to be written together. So all methods
are registered, since each registered method has a queue of its own, and every worker has several listeners.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

from core.endpoints import GrpcService
from core.limits import KIB
from core.log_limit import LogLimit
from server.config.limits import Limits
from server.grpc_api import reflection
from server.grpc_api.guard import GrpcGuard

MAX_PING_STRIKES = 20
"""Pings in a row, without data in between, that come sooner than they may, before the connection is closed."""

_OPTIONS = (
    ("grpc.so_reuseport", 1),
    # bursts of parked polls must queue, not be shed
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
    # workers ping without calls in flight
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", MAX_PING_STRIKES),
    # a client that has gone without a word, or says nothing at all, must not keep its connection
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.http2.settings_timeout", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),
    # beyond the first, metadata is refused at random; beyond the second, always
    ("grpc.max_metadata_size", 16 * KIB),
    ("grpc.absolute_max_metadata_size", 32 * KIB),
)
LISTENERS = 4
"""Of a worker process; the kernel spreads connections over them. More of them gained nothing."""
_LEFTOVERS_S = 0.05

MAX_METHOD_CHARACTERS = 200
"""Of an unknown method's name in the log."""

_unknown = LogLimit(logging.getLogger(__name__))

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


class _Unknown(grpc.GenericRpcHandler):
    """Leaves a log line of calls to methods that nobody serves; the library answers UNIMPLEMENTED."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
        """Log the method."""
        method = str(handler_call_details.method)[:MAX_METHOD_CHARACTERS]
        _unknown.warning("method", "a call to the unknown gRPC method %r was refused", method)


class GrpcServer:
    """Serves the given services, the standard health service and server reflection."""

    def __init__(self, services: Sequence[GrpcService], guard: GrpcGuard, limits: Limits, connections: int) -> None:
        """Make the server; it listens from ``start`` on. It takes about ``connections`` connections."""
        self._options = (
            *_OPTIONS,
            ("grpc.max_receive_message_length", limits.grpc_message_bytes),
            ("grpc.max_concurrent_streams", limits.streams_per_grpc_connection),
            ("grpc.max_allowed_incoming_connections", max(1, connections // LISTENERS)),
        )
        self._in_flight = guard.in_flight
        self._names = [service.descriptor.full_name for service in services]
        self._health = health.HealthServicer()
        handlers = {service.descriptor.full_name: guard.handlers(service) for service in services}
        reflected = reflection.handlers(guard, [*self._names, HEALTH])
        self._listeners: list[grpc.aio.Server] = [self._listener(handlers, reflected) for _ in range(LISTENERS)]

    def _listener(self, handlers: Mapping[str, Mapping[str, Any]], reflected: grpc.GenericRpcHandler) -> Any:
        listener: Any = grpc.aio.server(options=self._options)
        for service, methods in handlers.items():
            listener.add_registered_method_handlers(service, methods)
        listener.add_generic_rpc_handlers([reflected])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, listener)
        listener.add_generic_rpc_handlers([_Unknown()])  # the last one that is asked
        return listener

    async def start(self, host: str, port: int) -> None:
        """Listen and report SERVING."""
        for listener in self._listeners:
            listener.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        for listener in self._listeners:
            await listener.start()
        for name in ("", HEALTH, *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def drain(self, grace: float) -> None:
        """Refuse new calls, let those in flight end within ``grace`` seconds, then close.

        Calls of the health service's ``Watch`` never end by themselves; they are cut once only they are left.
        """
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.ensure_future(self._stop(grace))
        idle = asyncio.ensure_future(self._in_flight.idle.wait())
        await asyncio.wait([stopping, idle], return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await self._stop(_LEFTOVERS_S)
        await stopping

    async def _stop(self, grace: float) -> None:
        await asyncio.gather(*(listener.stop(grace) for listener in self._listeners))
