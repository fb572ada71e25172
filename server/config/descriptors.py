"""The limit of open files of a process, and the part of it that connections may take."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from core.errors import StartupError
from server.config.settings import Settings

RESERVED = 96
"""Open files of listeners, event loops, logs, libraries and the connections for notifications and advisory locks."""
MIN_CONNECTIONS = 8
"""The server refuses to start with fewer connections of a protocol."""


@dataclass(frozen=True, slots=True)
class Share:
    """Connections of each protocol that one worker process may have."""

    rest: int
    grpc: int


def raise_limit() -> None:
    """Raise the limit of open files of this process, and of the processes that it forks, to the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def share(settings: Settings) -> Share:
    """Return the connections that a worker process may have: the settings, or fewer where it may open few files.

    Raises:
        StartupError: the process may open too few files.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY or limit >= needed(settings):
        return Share(settings.limits.rest_connections, settings.limits.grpc_connections)
    configured = settings.limits.rest_connections + settings.limits.grpc_connections
    left = limit - RESERVED - settings.database.pool_size
    rest = left * settings.limits.rest_connections // configured
    grpc = left * settings.limits.grpc_connections // configured
    if min(rest, grpc) < MIN_CONNECTIONS:
        raise StartupError(
            f"this process may open {limit} files, which leaves too few for connections; raise the limit (ulimit -n)"
        )
    return Share(rest, grpc)


def needed(settings: Settings) -> int:
    """Return the number of files that a worker process opens at most with these settings."""
    limits = settings.limits
    return RESERVED + settings.database.pool_size + limits.rest_connections + limits.grpc_connections
