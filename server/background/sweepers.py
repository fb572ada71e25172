"""The sweepers of the server: reapers, cleaners and pruners, with the pauses between their sweeps."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

from core.service import Service
from server.background.sweeper import Sweeper
from server.config.settings import EngineSettings as Limits
from server.domain.retention import RetentionRule
from server.engine.dispatch.orphans import SWEEP_EVERY_S
from server.engine.engine import Engine

REAP_EVERY_S = 5.0
"""The longest time between two sweeps of a reaper, in seconds."""

PRUNE_EVERY_S = 60.0
"""The longest time between two sweeps of a pruner, in seconds."""

WOKEN = "looked again at the conditions of %d agents, whose tasks an older version of the server has ended"


def sweepers(engine: Engine, limits: Limits) -> list[Service]:
    """Return the sweepers; the shorter a lease is, the more often its reaper sweeps."""
    lease, silence, task_lease = limits.activation_lease, limits.worker_silence, limits.task_lease
    reclaim = partial(engine.workflows.reclaim, lease, silence)
    reclaim_tasks = partial(engine.tasks.reclaim, task_lease)
    back = "released %d workflow executions whose lease was over or whose worker was silent"
    tasks_back = "ended the attempts of %d tasks whose lease was over; tasks with retries left are pending again"
    orphans_back = "released %d workflow executions and tasks that a dead server process had just claimed"
    found: list[Service] = [
        Sweeper("workflow reaper", reclaim, min(REAP_EVERY_S, lease / 4, silence / 4), back, logging.WARNING),
        Sweeper("task reaper", reclaim_tasks, min(REAP_EVERY_S, task_lease / 4), tasks_back, logging.WARNING),
        Sweeper("orphan reaper", engine.orphans.sweep, SWEEP_EVERY_S, orphans_back, logging.WARNING),
        Sweeper("key cleaner", engine.clean_keys, 300, "deleted %d expired idempotency keys", logging.DEBUG),
    ]
    lost = "ended the activations of %d agents that seem lost"
    found += [
        Sweeper(
            "agent reaper",
            partial(engine.agents.reclaim, silence),
            min(REAP_EVERY_S, silence / 4),
            lost,
            logging.WARNING,
        ),
        Sweeper(
            "agent canceller", engine.agents.carry_out_cascades, REAP_EVERY_S, "cancelled the children of %d agents"
        ),
        Sweeper("agent waker", engine.agents.wake_forgotten, REAP_EVERY_S, WOKEN),
    ]
    return [*found, *_pruners(engine, limits)]


def _pruners(engine: Engine, limits: Limits) -> Iterator[Service]:
    age = limits.retain_finished
    if age is not None:
        agents_pruned = f"deleted %d agents that ended more than {age:g} s ago"
        yield Sweeper("agent pruner", partial(engine.agents.prune, age), min(PRUNE_EVERY_S, age / 4), agents_pruned)
    rules = [
        *(RetentionRule(each.tenant_id, each.kind, each.seconds) for each in limits.retention),
        RetentionRule(seconds=age),
    ]
    ages = [rule.seconds for rule in rules if rule.seconds is not None]
    if ages:
        pause = min(PRUNE_EVERY_S, min(ages) / 4)
        pruned = "deleted %d workflow executions that ended longer ago than they are kept"
        yield Sweeper("history pruner", partial(engine.workflows.prune, rules), pause, pruned)
