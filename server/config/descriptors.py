"""How many files a process may open, and how many of them connections may take."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from core.errors import StartupError
from server.config.settings import Settings

RESERVED = 96
"""Listeners, loops, logs, libraries and the connections that listen for notifications or hold locks."""
FEWEST = 8
"""Connections of each protocol with which a server is of any use."""


@dataclass(frozen=True, slots=True)
class Share:
    """Connections of each protocol that one worker process may have."""

    rest: int
    grpc: int


def raise_limit() -> None:
    """Raise the limit of open files of this process, and of those that it forks, as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def share(settings: Settings) -> Share:
    """Return how many connections a worker process may have: the settings, or less where descriptors are few.

    Raises:
        StartupError: there are too few descriptors to serve anybody.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY or limit >= needed(settings):
        return Share(settings.limits.rest_connections, settings.limits.grpc_connections)
    wanted = settings.limits.rest_connections + settings.limits.grpc_connections
    left = limit - RESERVED - settings.database.pool_size
    rest = left * settings.limits.rest_connections // wanted
    grpc = left * settings.limits.grpc_connections // wanted
    if min(rest, grpc) < FEWEST:
        raise StartupError(
            f"this process may open {limit} files, which leaves too few for connections; raise the limit (ulimit -n)"
        )
    return Share(rest, grpc)


def needed(settings: Settings) -> int:
    """Return how many files a worker process opens at most with these settings."""
    limits = settings.limits
    return RESERVED + settings.database.pool_size + limits.rest_connections + limits.grpc_connections
