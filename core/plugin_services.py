"""What the server lends a plugin."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from core.build_info import BuildInfo
from core.clock import Clock
from core.launchers import TenantLookup


class Database(Protocol):
    """The server's connection pool, shared by everything in the process."""

    def connection(self) -> AbstractAsyncContextManager[Any]:
        """Lend a psycopg ``AsyncConnection`` (autocommit, rows as tuples) for as long as the context lasts.

        Raises:
            Unavailable: the database cannot be reached, or no connection became free in time.
        """

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Like ``connection``, inside one transaction: committed at the end, rolled back by an exception."""


@dataclass(frozen=True, slots=True)
class PluginServices:
    """Handed to every hook of a plugin that needs more than the plugin itself.

    Attributes:
        database: the connection pool.
        clock: the time; use it instead of ``datetime.now``.
        tenants: look-up of tenants.
        settings: the plugin's own validated section; None when the plugin declares none.
        build_info: the edition that is running.
        logger: a logger named after the plugin.
    """

    database: Database
    clock: Clock
    tenants: TenantLookup
    settings: BaseModel | None
    build_info: BuildInfo
    logger: logging.Logger
