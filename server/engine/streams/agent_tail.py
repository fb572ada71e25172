"""State changes of agents in streams: each process looks at the followed agents, and tells what differs.

One statement looks at all followed agents of the process, and another one at their tasks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from server.domain.agent_change import AgentLook, TaskLook, agent_changes, task_changes
from server.domain.stream import StreamItem
from server.engine.streams.readings import Readings
from server.engine.streams.streams import Streams, Subscription
from server.storage.agent_looks import AgentLookRepository, Key

RECENT_S = 30.0
"""A read looks at the tasks that changed within this time, in seconds: a commit may come late."""


@dataclass(eq=False)
class AgentFollower:
    """A subscription to an agent, or to its whole family with the tasks, and the last looks at them."""

    subscription: Subscription
    root: Key
    with_family: bool
    agents: dict[Key, AgentLook | None] = field(default_factory=dict)
    tasks: dict[Key, TaskLook] = field(default_factory=dict)


class AgentTail(Readings[AgentFollower]):
    """Reads state changes of agents for subscribers; see ``core.service.Service``."""

    name = "agent tail"

    def __init__(self, storage: AgentLookRepository, streams: Streams) -> None:
        super().__init__()
        self._storage = storage
        self._streams = streams

    @asynccontextmanager
    async def follow(self, agent: Key, subscription: Subscription, *, with_family: bool) -> AsyncIterator[None]:
        """Deliver the state changes of an agent from now on, while the context lasts.

        ``with_family`` adds its tasks, and its descendants with theirs.
        """
        follower = AgentFollower(subscription, agent, with_family, {agent: None})
        if with_family:
            await self._find_descendants([follower])
        looks = await self._storage.agents(list(follower.agents))
        follower.agents = {key: looks.get(key) for key in follower.agents}
        if with_family:
            follower.tasks = await self._storage.tasks(list(follower.agents))
        async with self._following(follower):
            yield

    async def read(self) -> None:
        """Deliver the state changes since the last read to all followers."""
        followers = set(self._followers)
        families = [each for each in followers if each.with_family]
        await self._find_descendants(families)
        await self._show_agents(followers)
        await self._show_tasks(families)

    async def _find_descendants(self, followers: Collection[AgentFollower]) -> None:
        if not followers:
            return
        found = await self._storage.descendants(list({each.root for each in followers}))
        for each in followers:
            for key in found.get(each.root, ()):
                if key not in each.agents:
                    each.agents[key] = None
                    self._streams.join(key, each.subscription)

    async def _show_agents(self, followers: Collection[AgentFollower]) -> None:
        looks = await self._storage.agents(list({key for each in followers for key in each.agents}))
        for each in followers:
            for key, before in each.agents.items():
                now = looks.get(key)
                if now is None or now == before:
                    continue
                each.agents[key] = now
                for event, data in agent_changes(before, now):
                    each.subscription.put(StreamItem(None, event, data, now.id))

    async def _show_tasks(self, followers: Collection[AgentFollower]) -> None:
        if not followers:
            return
        agents = list({key for each in followers for key in each.agents})
        looks = await self._storage.tasks(agents, recent=RECENT_S)
        for each in followers:
            for key, now in looks.items():
                before = each.tasks.get(key)
                if now == before or (now.tenant_id, now.agent_id) not in each.agents:
                    continue
                each.tasks[key] = now
                for event, data in task_changes(before, now):
                    each.subscription.put(StreamItem(None, event, data, now.agent_id, now.id))
