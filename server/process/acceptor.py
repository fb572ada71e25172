"""Accepts connections to REST. asyncio's own acceptor counts nothing, and logs a lack of descriptors without end."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

from core.log_limit import LogLimit
from server.process.connections import Connections

AT_ONCE = 64
"""Connections that are accepted before other work has its turn."""
RETRY_S = 0.1

_LACKS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_log = LogLimit(logging.getLogger(__name__))


class Acceptor:
    """Accepts the connections of one listening socket; a lack of descriptors is logged once a second at most."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        connections: Connections,
        make: Callable[[], asyncio.Protocol],
    ) -> None:
        self._loop = loop
        self._listening = listening
        self._connections = connections
        self._make = make
        self._beginning: set[asyncio.Task[object]] = set()

    def start(self) -> None:
        """Accept from now on, in place of whatever accepted before."""
        if self._listening.fileno() >= 0:  # it is closed when the worker stops
            self._loop.remove_reader(self._listening)
            self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _LACKS:
                    raise
                self._lacking(error)
                return
            self._begin(accepted)

    def _begin(self, accepted: socket.socket) -> None:
        if not self._connections.make_room():
            _log.warning("busy", "all connections to REST are busy, and a new one was refused")
            accepted.close()
            return
        accepted.setblocking(False)
        task: asyncio.Task[object] = self._loop.create_task(self._loop.connect_accepted_socket(self._make, accepted))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    def _lacking(self, error: OSError) -> None:
        """Close an idle connection, and retry a little later: the socket stays readable meanwhile."""
        text = "a connection to REST cannot be accepted (%s); raise the limit of open files"
        _log.warning("lack", text, error.strerror)
        self._connections.close_oldest_idle()
        self._loop.remove_reader(self._listening)
        self._loop.call_later(RETRY_S, self.start)
