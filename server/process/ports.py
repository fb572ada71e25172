"""Ports: taken ones are found before the start, and the gRPC port is held against strangers.

Workers share the gRPC port by SO_REUSEPORT, which would also let a second server bind it without a
word. So the supervising process binds it alone first and keeps it, never listening, for as long as it lives.
"""

from __future__ import annotations

import os
import socket

from core.errors import StartupError

HOLDER_VARIABLE = "FLOVYN_GRPC_PORT_HOLDER"
"""Carries the holder's file descriptor to the new supervising process of a binary upgrade (USR2)."""

REEXEC_VARIABLE = "GUNICORN_PID"
"""gunicorn sets it for that new process."""


def check_free(host: str, port: int, setting: str) -> None:
    """Return when ``port`` can be listened on; port 0 always can.

    Raises:
        StartupError: another process has it.
    """
    if port == 0 or REEXEC_VARIABLE in os.environ:
        return
    with _bound(host, port, setting):
        pass


def hold(host: str, port: int, setting: str) -> socket.socket:
    """Return a socket that holds ``port`` (0: a free one) and lets this server's workers join it.

    Raises:
        StartupError: another process has it.
    """
    if REEXEC_VARIABLE in os.environ and HOLDER_VARIABLE in os.environ:
        return socket.socket(fileno=int(os.environ[HOLDER_VARIABLE]))
    holder = _bound(host, port, setting)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.set_inheritable(True)
    return holder


def _bound(host: str, port: int, setting: str) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a run that has just ended leaves TIME_WAIT behind
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise StartupError(
            f"{setting}: cannot listen on {host}:{port}: {error.strerror}. Choose another port"
        ) from None
    return bound
