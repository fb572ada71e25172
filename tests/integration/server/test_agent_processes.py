"""Agents on two server processes: what one of them commits wakes the pollers of the other."""

from __future__ import annotations

import asyncio

from server.domain.worker import Category
from tests.support.agents import Agents
from tests.support.running import running_server


async def test_the_last_task_wakes_an_agent_of_the_other_process(database: str) -> None:
    """Sequence B with a worker at each process: tasks end at one, and the parked poll is at the other."""
    async with (
        running_server(database) as first,
        running_server(database, ENGINE__POLL_HOLD_MS="8000") as second,
    ):
        here, there = Agents(first), Agents(second)
        agent = await here.create()
        assert (await there.claim()).id == agent
        for key in ("k1", "k2"):
            await there.schedule(agent, key)
        await there.suspend_for_tasks(agent, "k1", "k2")
        parked = second.engine.wakeups[Category.AGENT].parked
        parked.clear()
        polling = asyncio.create_task(there.poll())
        await asyncio.wait_for(parked.wait(), 5)
        for _ in range(2):
            await here.finish_task((await here.task()).task_execution_id)
        claimed = await asyncio.wait_for(polling, 5)
        assert claimed is not None
        assert claimed.id == agent
        assert await here.results(agent, "k1", "k2") == [("COMPLETED", None)] * 2
        await here.complete(agent)
        assert await there.status(agent) == "COMPLETED"
