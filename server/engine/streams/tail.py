"""Shows changes of state to those who watch: it looks at what is watched, and only while it is.

Histories are facts in the database already; publishing every event for the few that are watched would cost every
workflow. So each process asks a few times a second, with one statement for all of its watchers.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from core.clock import Clock
from core.payload import Json, dump
from server.domain.state_change import body, state_change
from server.domain.stream import ChunkKind, Shown
from server.engine.streams.streams import Streams, Watch
from server.storage.stream_tail import Key, StreamTailRepository

PAUSE_S = 0.3
"""Between two looks, while somebody watches."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TASK_EVENTS = {"RUNNING": "TASK_STARTED", "COMPLETED": "TASK_COMPLETED", "FAILED": "TASK_FAILED"}
_TASK_EVENTS["CANCELLED"] = "TASK_FAILED"


@dataclass(eq=False)
class Follower:
    """A watcher, and how far it has seen each workflow; of a task, what it has seen last."""

    watch: Watch
    seen: dict[Key, int] = field(default_factory=dict)
    root: Key | None = None
    """The workflow whose descendants are followed, too."""
    task: Key | None = None
    task_seen: tuple[str, int] | None = None


class StreamTail:
    """Looks for news; see ``core.service.Service``."""

    name = "stream tail"

    def __init__(self, storage: StreamTailRepository, streams: Streams, clock: Clock) -> None:
        """Take where news is read, how watchers join the chunks of further runs, and the time."""
        self._storage = storage
        self._streams = streams
        self._clock = clock
        self._followers: set[Follower] = set()
        self._wanted = asyncio.Event()

    @asynccontextmanager
    async def follow_workflow(self, workflow: Key, watch: Watch, *, descendants: bool) -> AsyncIterator[None]:
        """Follow the changes of a workflow, and of its descendants if wanted, as long as the context lasts."""
        positions = await self._storage.positions([workflow])
        async with self._following(Follower(watch, positions, root=workflow if descendants else None)):
            yield

    @asynccontextmanager
    async def follow_task(self, task: Key, watch: Watch) -> AsyncIterator[None]:
        """Show how a task's state changes from now on, as long as the context lasts."""
        found = (await self._storage.tasks([task])).get(task)
        async with self._following(Follower(watch, task=task, task_seen=_position(found) if found else None)):
            yield

    async def run(self) -> None:
        """Look for news again and again, until cancelled."""
        while True:
            await self._wanted.wait()
            await self.look()
            await asyncio.sleep(PAUSE_S)

    async def look(self) -> None:
        """Show every follower what has happened since the last time."""
        followers = set(self._followers)
        await self._find_descendants([each for each in followers if each.root])
        await self._show_events([each for each in followers if each.seen])
        await self._show_tasks([each for each in followers if each.task])

    @asynccontextmanager
    async def _following(self, follower: Follower) -> AsyncIterator[None]:
        self._followers.add(follower)
        self._wanted.set()
        try:
            yield
        finally:
            self._followers.discard(follower)
            if not self._followers:
                self._wanted.clear()

    async def _find_descendants(self, followers: list[Follower]) -> None:
        if not followers:
            return
        roots = defaultdict(list)
        for each in followers:
            roots[each.root].append(each)
        for tenant_id, root, found in await self._storage.descendants([root for root in roots if root]):
            for each in roots[tenant_id, root]:
                if (tenant_id, found) not in each.seen:
                    each.seen[tenant_id, found] = 0
                    self._streams.join((tenant_id, found), each.watch)

    async def _show_events(self, followers: list[Follower]) -> None:
        after: dict[Key, int] = {}
        for each in followers:
            for workflow, sequence in each.seen.items():
                after[workflow] = min(sequence, after.get(workflow, sequence))
        if not after:
            return
        for tenant_id, workflow_id, sequence, event_type, data, created_at in await self._storage.news(after):
            shown = state_change(str(workflow_id), event_type, Json(data), _milliseconds(created_at))
            for each in followers:
                if each.seen.get((tenant_id, workflow_id), sequence) < sequence:
                    each.seen[tenant_id, workflow_id] = sequence
                    if shown is not None:
                        each.watch.put(Shown(workflow_id, ChunkKind.DATA, shown))

    async def _show_tasks(self, followers: list[Follower]) -> None:
        if not followers:
            return
        found = await self._storage.tasks(list({each.task for each in followers if each.task}))
        now = _milliseconds(self._clock.now())
        for each in followers:
            task = found.get(each.task) if each.task else None
            if task is not None and _position(task) != each.task_seen:
                each.task_seen = _position(task)
                if task["status"] in _TASK_EVENTS:
                    snapshot = {name: dump(value) for name, value in task.items()}
                    shown = body(_TASK_EVENTS[task["status"]], snapshot, now)
                    each.watch.put(Shown(None, ChunkKind.DATA, shown))


def _position(task: dict[str, Any]) -> tuple[str, int]:
    return task["status"], task["executionCount"]


def _milliseconds(moment: datetime) -> int:
    return round((moment - _EPOCH).total_seconds() * 1000)
