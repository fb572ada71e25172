"""Direct dispatch: each new workflow goes to one parked poller, or is pending, even if the write fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.errors import Unavailable
from core.launchers import WorkflowLaunch
from server.domain.claim import Claim
from server.domain.workflow import ClaimedWorkflow, NewWorkflow
from server.engine.dispatch.direct_dispatch import DirectDispatch
from server.engine.dispatch.wakeups import Wakeups
from server.engine.workflows.starts import new_workflow
from tests.support.repetitions import times
from tests.support.settling import settle

TENANT = UUID(int=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = (TENANT, "default")


async def _nothing() -> ClaimedWorkflow | None:
    return None


class _Bench:
    """The pollers of one queue, and the released work."""

    def __init__(self) -> None:
        self.wakeups = Wakeups()
        self.released: list[ClaimedWorkflow] = []
        self.lost: list[UUID] = []
        self.direct_dispatch: DirectDispatch[NewWorkflow, ClaimedWorkflow] = DirectDispatch(
            self.wakeups, self.released.extend, lambda claims, _: self.lost.extend(claims)
        )

    def begin_poll(
        self, hold: float = 60, kinds: Sequence[str] = (), worker: str = "w"
    ) -> asyncio.Task[ClaimedWorkflow | None]:
        """Return a poll that begins with the next turn."""
        return asyncio.create_task(
            self.wakeups.poll(KEY, _nothing, hold, kinds, claim=Claim(worker), release=self.released.append)
        )

    async def poll(
        self, hold: float = 60, kinds: Sequence[str] = (), worker: str = "w"
    ) -> asyncio.Task[ClaimedWorkflow | None]:
        """Return a poll that has looked in vain and waits."""
        poll = self.begin_poll(hold, kinds, worker)
        await settle()
        return poll


def _workflow(kind: str = "k", priority: int = 0) -> NewWorkflow:
    return new_workflow(WorkflowLaunch(TENANT, kind, queue="default", priority_seconds=priority))


def _written(workflows: Sequence[NewWorkflow]) -> list[ClaimedWorkflow]:
    return [
        ClaimedWorkflow(
            workflow.tenant_id,
            workflow.id,
            workflow.kind,
            workflow.queue,
            workflow.input,
            workflow.priority_ms,
            None,
            1,
            NOW,
            NOW,
            workflow.claim.id,
        )
        for workflow in workflows
        if workflow.claim is not None
    ]


async def test_a_waiting_poller_gets_the_workflow_when_it_is_written_and_not_before() -> None:
    """The workflow is written as the worker's own; even a poll whose time is over meanwhile waits for it."""
    bench = _Bench()
    poll = await bench.poll(hold=0.02, worker="w7")
    with bench.direct_dispatch.reserving() as pollers:
        (workflow,) = pollers.assign([_workflow()])
        assert workflow.claim is not None
        assert workflow.claim.worker_id == "w7"
        done, _ = await asyncio.wait([poll], timeout=0.1)
        assert not done
        pollers.deliver(_written([workflow]))
    answer = await asyncio.wait_for(poll, 5)
    assert answer is not None
    assert (answer.id, bench.released) == (workflow.id, [])


async def test_a_poller_that_still_looks_is_not_reserved() -> None:
    """It may find work by itself, and would have two workflows."""
    bench, looking = _Bench(), asyncio.Event()

    async def look() -> ClaimedWorkflow | None:
        await looking.wait()
        return None

    poll = asyncio.create_task(bench.wakeups.poll(KEY, look, 60))
    await settle()
    with bench.direct_dispatch.reserving() as pollers:
        assert pollers.assign([_workflow()])[0].claim is None
    poll.cancel()
    await asyncio.wait([poll])


async def test_the_most_urgent_workflow_finds_the_poller_first() -> None:
    """Order of the batch does not matter, kinds do."""
    bench = _Bench()
    picky = await bench.poll(kinds=("other",))
    poll = await bench.poll()
    with bench.direct_dispatch.reserving() as pollers:
        slow, fast = pollers.assign([_workflow(priority=0), _workflow(priority=5)])
        assert (slow.claim is None, fast.claim is None) == (True, False)
        pollers.deliver(_written([slow, fast]))
    answer = await asyncio.wait_for(poll, 5)
    assert answer is not None
    assert (answer.id, picky.done()) == (fast.id, False)
    picky.cancel()
    await asyncio.wait([picky])


async def test_a_workflow_whose_poller_has_gone_is_released() -> None:
    """Cancelled while the workflow was being written, or in the moment of its delivery."""
    bench = _Bench()
    gone, late = await bench.poll(), await bench.poll()
    with bench.direct_dispatch.reserving() as pollers:
        workflows = pollers.assign([_workflow(), _workflow()])
        gone.cancel()
        await asyncio.wait([gone])
        pollers.deliver(_written(workflows))
        late.cancel()
    await asyncio.wait([late])
    assert sorted(workflow.id for workflow in bench.released) == sorted(workflow.id for workflow in workflows)


def _fail_to_write(bench: _Bench, error: Exception) -> None:
    with bench.direct_dispatch.reserving() as pollers:
        pollers.assign([_workflow()])
        raise error


@pytest.mark.parametrize(("error", "unknown"), [(ValueError, 0), (Unavailable, 1)])
async def test_a_poller_whose_workflow_was_not_written_claims_by_itself(error: type[Exception], unknown: int) -> None:
    """Where the outcome is not known, the claim is looked for, and the poller makes other claims."""
    bench, looks = _Bench(), 0
    again = asyncio.Event()

    async def look() -> ClaimedWorkflow | None:
        nonlocal looks
        looks += 1
        if looks > 1:
            again.set()
        return None

    poll = asyncio.create_task(bench.wakeups.poll(KEY, look, 60))
    await settle()
    with pytest.raises(error):
        _fail_to_write(bench, error("boom"))
    await asyncio.wait_for(again.wait(), 5)
    assert len(bench.lost) == unknown
    poll.cancel()
    await asyncio.wait([poll])


@pytest.mark.parametrize("seed", range(times(20, 2000)))
async def test_every_written_workflow_reaches_one_poller_or_comes_back(seed: int) -> None:
    """Over random interleavings of starts, failing writes, wake-ups and pollers that give up at any moment."""
    rng, bench = random.Random(seed), _Bench()
    answered: list[UUID] = []
    written: list[UUID] = []
    pending: list[UUID] = []

    async def start() -> None:
        with bench.direct_dispatch.reserving() as pollers:
            workflows = pollers.assign([_workflow() for _ in range(rng.randrange(1, 4))])
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            if rng.random() < 0.2:
                return  # nothing is written
            written.extend(workflow.id for workflow in workflows)
            pollers.deliver(_written(workflows))
            pending.extend(workflow.id for workflow in workflows if workflow.claim is None)

    async def produce() -> None:
        for _ in range(100):
            await start()
            if rng.random() < 0.3:
                bench.wakeups.wake(KEY, "k")

    async def consume() -> None:
        while not producing.done():
            poll = bench.begin_poll(hold=rng.choice([0, 60]))
            for _ in range(3):
                await asyncio.sleep(0)
            if rng.random() < 0.5:
                poll.cancel()
            await asyncio.wait([poll, producing], return_when=asyncio.FIRST_COMPLETED)
            poll.cancel()
            await asyncio.wait([poll])
            if not poll.cancelled() and (workflow := poll.result()) is not None:
                answered.append(workflow.id)

    producing = asyncio.create_task(produce())
    await asyncio.wait_for(asyncio.gather(*(consume() for _ in range(4)), producing), 20)
    assert sorted([*answered, *pending, *(workflow.id for workflow in bench.released)]) == sorted(written)
    assert len(set(answered)) == len(answered)
