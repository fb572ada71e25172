"""Connections to REST: how many there are, and how long a client may take for the parts of a request.

gunicorn's protocol has one time limit, for an idle connection after its first request, and counts nothing. Here a
client without credentials can hold a connection only for as long as ``Limits`` say. When all connections are taken, the
one that has been idle for longest is closed for a new one.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol

from server.config.limits import Limits

LINGER_S = 2.0
"""How long a closed connection may take to send what is left for its client."""

REQUEST_TIMEOUT = 408
_TOO_SLOW = '{"error": "the request did not arrive in time; send it faster", "code": "timeout"}'


class Connections:
    """The open connections of a worker process."""

    def __init__(self, limits: Limits, most: int) -> None:
        self.limits = limits
        self._most = most
        self._open: set[Connection] = set()
        self._idle: dict[Connection, None] = {}  # since longest first

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._open)

    def make_room(self) -> bool:
        """Return whether one more connection may be accepted; closes the one that has been idle for longest for it."""
        return len(self._open) < self._most or self.close_oldest_idle()

    def close_oldest_idle(self) -> bool:
        """Close the connection that has been idle for longest; return whether there was one."""
        oldest = next(iter(self._idle), None)
        if oldest is None:
            return False
        self.closed(oldest)
        oldest.abort()
        return True

    def idle(self, connection: Connection) -> None:
        """Note that a connection waits for a request, from now on."""
        self._open.add(connection)
        self._idle.pop(connection, None)
        self._idle[connection] = None

    def busy(self, connection: Connection) -> None:
        """Note that a request is being served."""
        self._idle.pop(connection, None)

    def closed(self, connection: Connection) -> None:
        """Note that a connection is gone; safe to repeat."""
        self._open.discard(connection)
        self._idle.pop(connection, None)


class Connection(ASGIProtocol):
    """One connection, with a deadline for each part of a request."""

    def __init__(self, worker: Any, connections: Connections) -> None:
        super().__init__(worker)
        self._connections = connections
        self._limits = connections.limits
        self._loop: asyncio.AbstractEventLoop = worker.loop
        self._deadline: asyncio.TimerHandle | None = None  # for the head or the body that is awaited
        self._stalled: asyncio.TimerHandle | None = None  # since the client takes nothing of the answer

    def connection_made(self, transport: Any) -> None:
        """Wait for a head: a connection without a byte is as idle as one whose head never ends."""
        self._connections.idle(self)
        self._due(self._limits.head_timeout)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._connections.closed(self)
        self._in_time()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process received bytes; the first of a later request end the idle time and begin the time of its head."""
        if self._awaiting_request and self._keepalive_handle is not None:
            self._cancel_keepalive_timer()
            self._due(self._limits.head_timeout)
        super().data_received(data)

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not take its answer."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self._loop.call_later(self._limits.answer_timeout, self.abort)

    def resume_writing(self) -> None:
        """Go on with an answer."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def abort(self) -> None:
        """Close the connection at once; safe to repeat."""
        if self.transport is not None:
            self.transport.abort()

    def _on_headers_complete(self) -> Any:
        """Serve the request, and wait for its body."""
        self._connections.busy(self)
        self._due(self._limits.body_timeout)
        return super()._on_headers_complete()

    def _on_message_complete(self) -> None:
        """Stop waiting: all of the request is here."""
        self._in_time()
        super()._on_message_complete()

    def _arm_keepalive_timer(self) -> None:
        """Wait for the next request."""
        self._connections.idle(self)
        super()._arm_keepalive_timer()

    def _close_transport(self) -> None:
        """Close, but never wait for ever for a client that does not take what is left."""
        super()._close_transport()
        self._loop.call_later(LINGER_S, self.abort)

    def _due(self, seconds: float) -> None:
        self._in_time()
        self._deadline = self._loop.call_later(seconds, self._too_slow)

    def _in_time(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        """End a connection whose head or body did not arrive in time; answer 408 where no answer has begun."""
        receiver = self._body_receiver
        if receiver is None or receiver._waiter is not None:  # noqa: SLF001 - nothing else tells that the body is awaited
            self._send_error_response(REQUEST_TIMEOUT, _TOO_SLOW)
        self._close_transport()
        if self._request_ready is not None:
            self._request_ready.set()  # the task of the connection waits for a head, and ends
        if receiver is not None:
            receiver.signal_disconnect()
