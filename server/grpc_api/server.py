"""The ``grpc.aio`` server of a worker process.

It is made after the fork, because grpc objects do not survive a fork. All worker processes listen on one port
(SO_REUSEPORT). The supervising process also binds it, so that no other program can.

grpc.aio takes one call from a listener, and the next one only some turns of the event loop later. Under load, calls
would wait there one by one, and reach the batches of ``core.batching`` too late to be written together. So all methods
are registered, because each registered method has a queue of its own, and each worker process has several listeners.
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

from core.auth import Protocol
from core.endpoints import GrpcService
from core.errors import NotOffered
from core.limits import KIB
from core.log_limit import LogLimit
from server.config.limits import Limits
from server.grpc_api import reflection
from server.grpc_api.guard import GrpcGuard
from server.observability.call_meter import CallMeter

MAX_PING_STRIKES = 20
"""Pings in a row that come too soon, without data in between, after which the connection is closed."""

_OPTIONS = (
    ("grpc.so_reuseport", 1),
    # a burst of polls must queue; the library would refuse polls above the default
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
    # workers ping while they have no call under way
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", MAX_PING_STRIKES),
    # a connection ends when its client is gone, or sends nothing at all
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.http2.settings_timeout", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),
    # above the first size, the library refuses metadata at random; above the second, always
    ("grpc.max_metadata_size", 16 * KIB),
    ("grpc.absolute_max_metadata_size", 32 * KIB),
)
LISTENERS = 4
"""Listeners of a worker process; the kernel spreads connections over them. More of them were not faster."""
_LEFTOVERS_S = 0.05

MAX_METHOD_CHARACTERS = 200
"""Characters of the name of an unknown method in the log."""

_unknown = LogLimit(logging.getLogger(__name__))

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


class _Unknown(grpc.GenericRpcHandler):
    """Counts and logs calls to methods that no service has; the library answers UNIMPLEMENTED."""

    def __init__(self, meter: CallMeter) -> None:
        self._meter = meter

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
        """Count the call and log the method."""
        self._meter.unrouted(Protocol.GRPC, NotOffered.code)
        method = str(handler_call_details.method)[:MAX_METHOD_CHARACTERS]
        _unknown.warning("method", "a call to the unknown gRPC method %r was refused", method)


class GrpcServer:
    """Serves the given services, the standard health service and server reflection.

    It accepts about ``connections`` connections.
    """

    def __init__(self, services: Sequence[GrpcService], guard: GrpcGuard, limits: Limits, connections: int) -> None:
        self._options = (
            *_OPTIONS,
            ("grpc.max_receive_message_length", limits.grpc_message_bytes),
            ("grpc.max_concurrent_streams", limits.streams_per_grpc_connection),
            ("grpc.max_allowed_incoming_connections", max(1, connections // LISTENERS)),
        )
        self._in_flight = guard.in_flight
        self._meter = guard.meter
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
        listener.add_generic_rpc_handlers([_Unknown(self._meter)])  # must be the last one
        return listener

    async def start(self, host: str, port: int) -> None:
        """Listen, and report SERVING."""
        for listener in self._listeners:
            listener.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        for listener in self._listeners:
            await listener.start()
        for name in ("", HEALTH, *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def drain(self, grace: float) -> None:
        """Refuse new calls, let those in flight end within ``grace`` seconds, then close.

        Calls of the health service's ``Watch`` never end by themselves; they are cut when all other calls have ended.
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
