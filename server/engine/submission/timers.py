"""The commands about timers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.connection import DatabaseConnection
from core.payload import dump, json_object
from server.domain.submission import Command
from server.domain.timer import NewTimer, TimerKey, usable_duration
from server.domain.workflow import WorkflowState
from server.domain.workflow_event import EventType
from server.engine.submission.family import AfterCommit, Draft, EffectKind, Family, Located, workflow_keys
from server.storage.repositories import Repositories


@dataclass(frozen=True, slots=True)
class StartTimer(Command):
    """Start a timer that fires after ``duration_ms``; its id is unique within the workflow."""

    timer_id: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class CancelTimer(Command):
    """Cancel a timer that has not fired."""

    timer_id: str


def _start(draft: Draft, command: StartTimer) -> None:
    timer = NewTimer(draft.state.tenant_id, draft.state.id, command.timer_id, usable_duration(command.duration_ms))
    timers = draft.known(TIMERS)
    if timer.key in timers:
        draft.skip(TIMERS, timer.key)
        return
    timers[timer.key] = True
    draft.effect(_STARTED, timer)
    data = json_object(timerId=dump(command.timer_id), durationMs=dump(command.duration_ms))
    draft.event(EventType.TIMER_STARTED, data)


def _cancel(draft: Draft, command: CancelTimer) -> None:
    key = (draft.state.tenant_id, draft.state.id, command.timer_id)
    timers = draft.known(TIMERS)
    if timers.get(key, False):
        timers[key] = False
        draft.effect(_CANCELLED, key)
        draft.event(EventType.TIMER_CANCELLED, json_object(timerId=dump(command.timer_id)))


async def _look_up(
    connection: DatabaseConnection, storage: Repositories, named: Sequence[Located]
) -> dict[TimerKey, bool]:
    keys = [(tenant_id, workflow_id, command.timer_id) for tenant_id, workflow_id, command in named]
    return await storage.timers.existing(connection, keys)


async def _insert(connection: DatabaseConnection, storage: Repositories, timers: Sequence[NewTimer]) -> None:
    await storage.timers.insert(connection, timers)


async def _write_cancelled(connection: DatabaseConnection, storage: Repositories, keys: Sequence[TimerKey]) -> None:
    await storage.timers.cancel(connection, keys)


async def _abandon(connection: DatabaseConnection, storage: Repositories, ended: Sequence[WorkflowState]) -> None:
    await storage.timers.abandon_of_workflows(connection, workflow_keys(ended))


def _expect(timers: Sequence[NewTimer], after: AfterCommit) -> None:
    for timer in timers:
        after.expected.timers.expect(timer.duration_ms / 1000)


_STARTED: EffectKind[NewTimer] = EffectKind(_insert, _expect)
_CANCELLED: EffectKind[TimerKey] = EffectKind(_write_cancelled)

TIMERS: Family[TimerKey, bool] = Family(
    handlers={StartTimer: _start, CancelTimer: _cancel},
    effects=(_STARTED, _CANCELLED),
    look_up=_look_up,
    looked_up=(StartTimer, CancelTimer),
    end=_abandon,
)
"""The known rows tell whether each timer is still to fire."""
