"""Step: the background services of the server."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.service import Service, ServiceWithin
from server.background.channels import channels
from server.background.due_service import DueService
from server.background.supervisor import Supervisor
from server.background.sweeper import Sweeper
from server.background.sweepers import sweepers
from server.background.watches import watches
from server.boot.database import DatabaseParts
from server.boot.stopping import CORE_STOP_S
from server.config import Settings
from server.database.addresses import direct
from server.database.notifications import Notifications
from server.database.server_process import ServerProcess
from server.engine.engine import Engine
from server.storage.browser_sessions import SessionRepository


@asynccontextmanager
async def run_background(
    settings: Settings, database: DatabaseParts, engine: Engine, process: ServerProcess
) -> AsyncIterator[Notifications]:
    """Run the background services, and return the one that receives notifications of other processes.

    Those that look for work in the whole database run in the process that leads; the others run in every process.
    """
    received = channels(engine, database.locks, database.leadership)
    listening = Notifications(direct(settings), received, engine.wake_all, process)
    expected = engine.expected
    cleaner = Sweeper(
        "session cleaner", SessionRepository(database.pool).clean, 300, "deleted %d expired sessions", logging.DEBUG
    )
    services: list[Service] = [
        listening,
        database.leadership,
        DueService("timer firer", engine.timers.fire_due, expected.timers),
        DueService("promise expirer", engine.promises.expire_due, expected.promises),
        DueService("canceller", engine.workflows.carry_out_cancellations, expected.cancellations),
        DueService("deadline expirer", engine.tasks.expire_due, expected.deadlines),
        DueService("schedule runner", engine.schedules.run_due, engine.schedules.next_due),
        *engine.services,
        *(
            ServiceWithin(each, database.leadership.leading)
            for each in (*watches(database.pool, engine), *sweepers(engine, settings.engine), cleaner)
        ),
    ]
    supervisor = Supervisor(services)
    supervisor.start()
    try:
        yield listening
    finally:
        await engine.orphans.end(process.number)  # while the process still holds its lock
        await supervisor.stop(within=CORE_STOP_S)
