"""Durable timers: each fires once, unless it is cancelled or its workflow has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.driving import COMPLETED, RUNNING, Calls, cancel_timer, complete, start_timer
from tests.support.repetitions import times
from tests.support.running import running_server


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def test_a_timer_fires_and_wakes_its_workflow(calls: Calls) -> None:
    """The timer's id comes back verbatim, the duration as it was sent, and the workflow is claimable again."""
    workflow_id = await calls.start()
    await calls.step(start_timer("sleep-1", 30))
    assert (await calls.claim()).id == workflow_id
    assert (await calls.events(workflow_id))[1:] == [
        (2, "TIMER_STARTED", {"timerId": "sleep-1", "durationMs": 30}),
        (3, "TIMER_FIRED", {"timerId": "sleep-1"}),
    ]


async def test_a_timer_of_no_duration_fires_at_once(calls: Calls) -> None:
    """Zero and less are due now; a duration beyond all reason is kept as a hundred years."""
    workflow_id = await calls.start()
    await calls.step(start_timer("zero", 0), start_timer("less", -5), start_timer("never", 2**62))
    history = await calls.until_event(workflow_id, "TIMER_FIRED", 2)
    assert sorted(data["timerId"] for _, kind, data in history if kind == "TIMER_FIRED") == ["less", "zero"]


async def test_timers_fire_in_the_order_in_which_they_are_due(calls: Calls) -> None:
    """Started in another order, due together."""
    workflow_id = await calls.start()
    await calls.claim()
    await calls.submit(workflow_id, start_timer("c", 3), start_timer("a", 1), start_timer("b", 2), status=RUNNING)
    history = await calls.until_event(workflow_id, "TIMER_FIRED", 3)
    assert [data["timerId"] for _, kind, data in history if kind == "TIMER_FIRED"] == ["a", "b", "c"]


async def test_a_cancelled_timer_never_fires(calls: Calls) -> None:
    """Cancelling an unknown or a fired timer appends nothing; one of the same batch can be cancelled."""
    workflow_id = await calls.start()
    await calls.claim()
    await calls.submit(workflow_id, start_timer("long", 60_000), start_timer("short", 0), status=RUNNING)
    await calls.until_event(workflow_id, "TIMER_FIRED")
    await calls.submit(
        workflow_id,
        *(cancel_timer(name) for name in ("long", "long", "short", "unknown")),
        start_timer("brief", 0),
        cancel_timer("brief"),
        status=RUNNING,
    )
    assert (await calls.events(workflow_id))[4:] == [
        (5, "TIMER_CANCELLED", {"timerId": "long"}),
        (6, "TIMER_STARTED", {"timerId": "brief", "durationMs": 0}),
        (7, "TIMER_CANCELLED", {"timerId": "brief"}),
    ]
    assert await calls.client.engine.timers.fire_due() == (0, False)


async def test_a_timer_sent_again_is_started_once(calls: Calls) -> None:
    """A replay of an empty history sends the same commands; nothing is doubled, in one batch or in two."""
    workflow_id = await calls.start()
    await calls.claim()
    for _ in range(2):
        await calls.submit(workflow_id, start_timer("t", 60_000), start_timer("t", 60_000), status=RUNNING)
    assert await calls.types(workflow_id) == ["WORKFLOW_STARTED", "TIMER_STARTED"]


async def test_timer_ids_are_unique_within_a_workflow_only(calls: Calls) -> None:
    """Two workflows use the same ids."""
    workflows = [await calls.start(), await calls.start()]
    await calls.claim_pending()
    for workflow_id in workflows:
        await calls.submit(workflow_id, start_timer("timer-0", 0), status=RUNNING)
        await calls.until_event(workflow_id, "TIMER_FIRED")


async def test_timers_of_an_ended_workflow_do_not_fire(calls: Calls) -> None:
    """Whether they were started before the end or in the same batch."""
    workflow_id = await calls.start()
    await calls.claim()
    await calls.submit(workflow_id, start_timer("before", 60_000), status=RUNNING)
    await calls.submit(workflow_id, start_timer("with", 60_000), complete(), status=COMPLETED)
    assert (await calls.row("SELECT array_agg(DISTINCT status) FROM timer"))[0] == ["ABANDONED"]


async def test_overdue_timers_fire_when_a_server_starts(database: str) -> None:
    """A timer that became due while no server ran fires at once, not after its duration."""
    async with running_server(database) as client:
        calls = Calls(client)
        workflow_id = await calls.start()
        await calls.step(start_timer("t", 3_600_000))
        async with client.pool.connection() as connection:
            await connection.execute("UPDATE timer SET fire_at = now() - interval '1 second'")
    async with running_server(database) as client:
        assert (await Calls(client).claim()).id == workflow_id


async def test_two_servers_fire_each_timer_once(database: str) -> None:
    """Many timers of many workflows become due under two firers: one TIMER_FIRED each, numbered without a gap."""
    count, each = times(20, 300), 5
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        workflows = [await here.start() for _ in range(count)]
        for _ in workflows:
            await there.claim()
        timers = [start_timer(f"timer-{number}", number % 3) for number in range(each)]
        await asyncio.gather(
            *((here, there)[n % 2].submit(workflow_id, *timers) for n, workflow_id in enumerate(workflows))
        )
        for workflow_id in workflows:
            history = await here.until_event(workflow_id, "TIMER_FIRED", each)
            fired = [data["timerId"] for _, kind, data in history if kind == "TIMER_FIRED"]
            assert sorted(fired) == sorted(f"timer-{number}" for number in range(each))
            await there.types(workflow_id)
