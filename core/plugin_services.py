"""The services of the server that a plugin may use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel

from core.build_info import BuildInfo
from core.clock import Clock
from core.connection import DatabaseConnection
from core.launchers import AgentLauncher, PromiseResolver, TaskLauncher, TenantLookup, WorkflowLauncher
from core.metrics import Metrics, MetricSnapshot
from core.paging import Cursors
from core.service import Service, ServiceWithin


class Database(Protocol):
    """The server's connection pool, shared by everything in the process."""

    def connection(self) -> AbstractAsyncContextManager[DatabaseConnection]:
        """Lend a psycopg ``AsyncConnection`` (autocommit, rows as tuples) while the context lasts.

        Raises:
            Unavailable: the database cannot be reached, or no connection became free in time.
        """

    def transaction(self) -> AbstractAsyncContextManager[DatabaseConnection]:
        """Like ``connection``, inside one transaction: committed at the end, rolled back by an exception."""


@dataclass(frozen=True, slots=True)
class PluginServices:
    """The argument of ``Plugin.setup``.

    Attributes:
        database: the connection pool.
        clock: the time; use it instead of ``datetime.now``.
        tenants: look-up of tenants.
        workflows: starts workflows.
        tasks: creates standalone tasks.
        promises: settles promises.
        agents: starts and signals agents.
        settings: the plugin's own validated section; None when the plugin declares none.
        build_info: the edition that is running.
        logger: a logger named after the plugin.
        metrics: the plugin's metrics.
        exclusively: ``async with services.exclusively("clean-up"):`` waits until no other process of the deployment
            is inside a context of that name of this plugin, and keeps them out. It is an advisory lock of the
            database. All locks of a process are held on one connection, which is not of the pool: when that is lost,
            the bodies are cancelled and the contexts raise ``Unavailable``. A process that waits asks the database
            every second: for work without an end, use ``once_per_deployment``, which costs nothing while it waits.
        leading: ``async with services.leading():`` waits until this process is the one that leads the deployment. When
            it loses the lead with a database connection, the body is cancelled and the context raises ``Unavailable``.
        cursors: signs the cursors of lists, see ``core.paging``.
        development: whether ``flovyn-server dev`` runs this; a switch that is unsafe elsewhere asks here.
        snapshots: returns the present values of all metrics of this process, from any thread.
    """

    database: Database
    clock: Clock
    tenants: TenantLookup
    workflows: WorkflowLauncher
    tasks: TaskLauncher
    promises: PromiseResolver
    agents: AgentLauncher
    settings: BaseModel | None
    build_info: BuildInfo
    logger: logging.Logger
    metrics: Metrics
    exclusively: Callable[[str], AbstractAsyncContextManager[None]]
    leading: Callable[[], AbstractAsyncContextManager[None]]
    cursors: Cursors
    development: bool = False
    snapshots: Callable[[], Sequence[MetricSnapshot]] = tuple

    def once_per_deployment(self, service: Service) -> Service:
        """Return a service that runs ``service`` in one process of the deployment at a time: in the one that leads.

        For ``Plugin.background_services``: every process gets the returned one, one of them works, and another
        takes over when that process ends or loses the database.
        """
        return ServiceWithin(service, self.leading)
