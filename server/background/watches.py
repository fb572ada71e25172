"""The services over the whole database, which run in the leader."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from core.plugin_services import Database
from core.service import Service
from server.background.due_service import DoDue
from server.background.due_watch import DueWatch
from server.background.queue_watch import QueueWatch
from server.background.vacuum import Vacuum
from server.database.leadership import BEAT
from server.engine.engine import Engine
from server.storage import due
from server.storage.dead_rows import DeadRowRepository
from server.storage.due import DueRepository


def watches(database: Database, engine: Engine) -> list[Service]:
    """Return the services for due work, for pending work without a wake-up, and for dead rows."""
    work: Mapping[str, DoDue] = {
        due.TIMERS: engine.timers.fire_due,
        due.PROMISES: engine.promises.expire_due,
        due.SCHEDULES: engine.schedules.run_due,
        due.DEADLINES: engine.tasks.expire_due,
        due.CANCELLATIONS: engine.workflows.carry_out_cancellations,
    }
    storage, pending = DueRepository(database), asyncio.Event()
    return [
        DueWatch(partial(storage.outlook, BEAT), work, pending),
        QueueWatch(storage.pending_queues, engine.nudge, pending),
        Vacuum(DeadRowRepository(database)),
    ]
