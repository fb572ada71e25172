"""A configured connection pool for commands that do one thing and exit."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.boot.edition import Edition
from server.boot.preparation import Prepared, configure
from server.config.load import read_sources
from server.database.addresses import pooled
from server.database.connecting import connect
from server.database.pool import Pool, open_pool
from server.observability.logging import configure as configure_logging


def prepared(edition: Edition) -> Prepared:
    """Read the configuration of this process's environment and set up logging."""
    result = configure(edition, read_sources(os.environ))
    configure_logging(result.settings.log)
    return result


async def reachable(ready: Prepared) -> Prepared:
    """Return the argument when the database can be reached.

    Raises:
        StartupError: it cannot; says where it was looked for, and the reason.
    """
    settings = ready.settings
    await (await connect(pooled(settings), settings.database.connect_timeout)).close()
    return ready


@asynccontextmanager
async def configured_pool(ready: Prepared) -> AsyncIterator[Pool]:
    """Open the pool of a command."""
    settings = (await reachable(ready)).settings
    async with open_pool(pooled(settings), settings.database) as pool:
        yield pool
