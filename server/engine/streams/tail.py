"""State changes in streams: each process reads the new events of the followed workflows and tasks.

A notification per event would slow down all workflows for the sake of the few that are followed. So a process reads the
histories a few times a second while it has subscribers, with one statement for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from core.clock import Clock
from core.payload import Json, dump
from server.domain.state_change import body, state_change
from server.domain.stream import ChunkKind, StreamItem
from server.engine.streams.readings import Readings
from server.engine.streams.streams import Streams, Subscription
from server.storage.stream_tail import Key, StreamTailRepository

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TASK_EVENTS = {"RUNNING": "TASK_STARTED", "COMPLETED": "TASK_COMPLETED", "FAILED": "TASK_FAILED"}
_TASK_EVENTS["CANCELLED"] = "TASK_FAILED"


@dataclass(eq=False)
class Follower:
    """A subscription, with the last event that it got of each workflow, or the last state that it got of a task."""

    subscription: Subscription
    seen: dict[Key, int] = field(default_factory=dict)
    root: Key | None = None
    """The workflow whose descendants are followed as well."""
    task: Key | None = None
    task_seen: tuple[str, int] | None = None


class StreamTail(Readings[Follower]):
    """Reads state changes for subscribers; see ``core.service.Service``."""

    name = "stream tail"

    def __init__(self, storage: StreamTailRepository, streams: Streams, clock: Clock) -> None:
        super().__init__()
        self._storage = storage
        self._streams = streams
        self._clock = clock

    @asynccontextmanager
    async def follow_workflow(
        self, workflow: Key, subscription: Subscription, *, descendants: bool
    ) -> AsyncIterator[None]:
        """Deliver the state changes of a workflow, and of its ``descendants``, while the context lasts."""
        positions = await self._storage.positions([workflow])
        async with self._following(Follower(subscription, positions, root=workflow if descendants else None)):
            yield

    @asynccontextmanager
    async def follow_task(self, task: Key, subscription: Subscription) -> AsyncIterator[None]:
        """Deliver the state changes of a task from now on, while the context lasts."""
        state = (await self._storage.tasks([task])).get(task)
        async with self._following(Follower(subscription, task=task, task_seen=_position(state) if state else None)):
            yield

    async def read(self) -> None:
        """Deliver the state changes since the last read to all followers."""
        followers = set(self._followers)
        await self._find_descendants([each for each in followers if each.root])
        await self._show_events([each for each in followers if each.seen])
        await self._show_tasks([each for each in followers if each.task])

    async def _find_descendants(self, followers: list[Follower]) -> None:
        if not followers:
            return
        roots = defaultdict(list)
        for each in followers:
            roots[each.root].append(each)
        for tenant_id, root, descendant in await self._storage.descendants([root for root in roots if root]):
            for each in roots[tenant_id, root]:
                if (tenant_id, descendant) not in each.seen:
                    each.seen[tenant_id, descendant] = 0
                    self._streams.join((tenant_id, descendant), each.subscription)

    async def _show_events(self, followers: list[Follower]) -> None:
        after: dict[Key, int] = {}
        for each in followers:
            for workflow, sequence in each.seen.items():
                after[workflow] = min(sequence, after.get(workflow, sequence))
        if not after:
            return
        for tenant_id, workflow_id, sequence, event_type, data, created_at in await self._storage.news(after):
            change = state_change(str(workflow_id), event_type, Json(data), _milliseconds(created_at))
            for each in followers:
                if each.seen.get((tenant_id, workflow_id), sequence) < sequence:
                    each.seen[tenant_id, workflow_id] = sequence
                    if change is not None:
                        each.subscription.put(StreamItem(workflow_id, ChunkKind.DATA, change))

    async def _show_tasks(self, followers: list[Follower]) -> None:
        if not followers:
            return
        tasks = await self._storage.tasks(list({each.task for each in followers if each.task}))
        now = _milliseconds(self._clock.now())
        for each in followers:
            task = tasks.get(each.task) if each.task else None
            if task is not None and _position(task) != each.task_seen:
                each.task_seen = _position(task)
                if task["status"] in _TASK_EVENTS:
                    snapshot = {name: dump(value) for name, value in task.items()}
                    change = body(_TASK_EVENTS[task["status"]], snapshot, now)
                    each.subscription.put(StreamItem(None, ChunkKind.DATA, change))


def _position(task: dict[str, Any]) -> tuple[str, int]:
    return task["status"], task["executionCount"]


def _milliseconds(moment: datetime) -> int:
    return round((moment - _EPOCH).total_seconds() * 1000)
