"""The background services that end, give back or delete what is over, and how often each of them looks."""

from __future__ import annotations

import logging
from functools import partial

from core.service import Service
from server.background.sweeper import Sweeper
from server.config.settings import EngineSettings as Limits
from server.engine.dispatch.orphans import SWEEP_EVERY_S
from server.engine.engine import Engine

REAP_EVERY_S = 5.0
"""How long, at most, a lease may be over before a reaper sees it, in seconds."""


def sweepers(engine: Engine, limits: Limits) -> list[Service]:
    """Return the sweepers; each looks the more often, the sooner the thing that it looks for is over."""
    lease, silence, task_lease = limits.activation_lease, limits.worker_silence, limits.task_lease
    reclaim = partial(engine.workflows.reclaim, lease, silence)
    reclaim_tasks = partial(engine.tasks.reclaim, task_lease)
    back = "%d runs were taken back from workers that did not report in time"
    tasks_back = "the leases of %d tasks are over; they are tried again where retries are left"
    orphans_back = "%d workflow executions and tasks were released that a dead server process had just claimed"
    found: list[Service] = [
        Sweeper("workflow reaper", reclaim, min(REAP_EVERY_S, lease / 4, silence / 4), back, logging.WARNING),
        Sweeper("task reaper", reclaim_tasks, min(REAP_EVERY_S, task_lease / 4), tasks_back, logging.WARNING),
        Sweeper("orphan reaper", engine.orphans.sweep, SWEEP_EVERY_S, orphans_back, logging.WARNING),
        Sweeper("key cleaner", engine.clean_keys, 300, "%d expired idempotency keys were deleted", logging.DEBUG),
    ]
    age = limits.retain_finished
    if age is not None:
        pruned = f"%d workflow executions that ended more than {age:g} s ago were deleted"
        found.append(Sweeper("history pruner", partial(engine.workflows.prune, age), min(60, age / 4), pruned))
    return found
