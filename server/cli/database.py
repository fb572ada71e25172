"""A configured connection pool for commands that do one thing and exit."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.config.load import read_sources
from server.database.pool import Pool, connect, open_pool
from server.edition import Edition
from server.observability.logging import configure as configure_logging
from server.startup import Prepared, configure


def prepared(edition: Edition) -> Prepared:
    """Read the configuration of this process's environment and set up logging."""
    result = configure(edition, read_sources(os.environ))
    configure_logging(result.settings.log)
    return result


@asynccontextmanager
async def configured_pool(ready: Prepared) -> AsyncIterator[Pool]:
    """Open the pool of a command; an unreachable database is reported with its address and the reason."""
    settings = ready.settings
    dsn = settings.database_url.get_secret_value()
    await (await connect(dsn, settings.database.connect_timeout)).close()
    async with open_pool(dsn, settings.database) as pool:
        yield pool
