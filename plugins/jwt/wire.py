"""The connections of one fetch, which can be cut from outside: whatever the fetch waits for then ends at once.

A time-out of a socket is about one read or write: a server that sends a byte of a header now and then never meets it.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, Request

SHORTEST_S = 0.01
"""A socket's time-out of 0 would mean not to wait at all."""


class Wire:
    """Makes the connections of one fetch."""

    def __init__(self, within: float) -> None:
        self._ends = time.monotonic() + within
        self._lock = threading.Lock()
        self._handles: list[socket.socket] = []
        self._is_cut = False

    def cut(self) -> None:
        """End every connection that was made and let no other one be made; safe to call from any thread, and twice."""
        with self._lock:
            self._is_cut = True
            handles, self._handles = self._handles, []
        for handle in handles:
            with suppress(OSError):  # the other side was faster
                handle.shutdown(socket.SHUT_RDWR)
            handle.close()

    def connect(self, address: tuple[str, int], *_ignored: Any) -> socket.socket:
        """Stand in for ``socket.create_connection``.

        Raises:
            OSError: none of the name's addresses takes a connection.
        """
        failure = OSError("the name has no address")
        for family, kind, protocol, _, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            end = socket.socket(family, kind, protocol)
            try:
                self._keep(end)
                end.settimeout(max(SHORTEST_S, self._ends - time.monotonic()))
                end.connect(place)
            except OSError as error:
                end.close()
                failure = error
            else:
                return end
        raise failure

    def _keep(self, end: socket.socket) -> None:
        """Keep a second handle of the socket: TLS takes the first one over."""
        with self._lock:
            if self._is_cut:
                raise TimeoutError("timed out")
            self._handles.append(socket.socket(fileno=os.dup(end.fileno())))


class PlainHandler(HTTPHandler):
    """Opens http addresses over a wire."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def http_open(self, req: Request) -> HTTPResponse:
        """Open the address."""
        return self.do_open(partial(_made, self._wire, HTTPConnection), req)


class SecureHandler(HTTPSHandler):
    """Opens https addresses over a wire."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def https_open(self, req: Request) -> HTTPResponse:
        """Open the address."""
        return self.do_open(partial(_made, self._wire, HTTPSConnection), req)


def _made(wire: Wire, kind: type[HTTPConnection], *arguments: Any, **more: Any) -> HTTPConnection:
    connection = kind(*arguments, **more)
    setattr(connection, "_create_connection", wire.connect)  # noqa: B010 - the library's own place for it, undocumented
    return connection
