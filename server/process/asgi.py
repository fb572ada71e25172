"""The ASGI application of gunicorn's workers: HTTP goes to falcon, the lifespan runs the boot sequence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from core.errors import StartupError
from server.boot.preparation import Prepared
from server.boot.startup import Server, running
from server.rest_api.local_metrics import answer

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

WEBSOCKET_REFUSED = 1008
"""The code of "policy violation": no route speaks WebSocket."""

_log = logging.getLogger(__name__)


class Application:
    """One worker process's server, from the lifespan's start to its shutdown."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._metrics_port = prepared.settings.metrics.port
        self._server: Server | None = None
        self._starting: asyncio.Task[object] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope, or the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": WEBSOCKET_REFUSED})
        elif self._server is not None and scope["server"][1] == self._metrics_port:
            await answer(self._server.plugins.scrape, scope, send)
        elif self._server is not None:
            await self._server.app(scope, receive, send)

    def drain(self) -> None:
        """Begin to stop: called on the loop, the moment the stop signal is handled; safe to repeat.

        A start ends where it is: it may be waiting for the database.
        """
        if self._server is not None:
            self._server.grpc.drain()
        elif self._starting is not None:
            self._starting.cancel()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._starting = asyncio.current_task()
        try:
            async with running(self._prepared) as self._server:
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except asyncio.CancelledError:
            await send({"type": "lifespan.startup.failed", "message": "the worker was told to stop"})
        except StartupError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
        except Exception as error:  # noqa: BLE001 - logged whole, and told to the supervisor
            _log.exception("the worker failed")
            await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
        else:
            await send({"type": "lifespan.shutdown.complete"})
