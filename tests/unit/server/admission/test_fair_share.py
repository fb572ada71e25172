"""While several tenants have calls, each runs a limited number at a time; a tenant that is alone has no limit."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest

from server.admission.fair_share import FairShare
from tests.support.repetitions import times

SHARE = 2


def _running(share: FairShare, owner: str, count: int) -> list[asyncio.Future[None]]:
    """Let calls of an owner begin; return the turns of those that have to wait."""
    turns = [share.enter(owner) for _ in range(count)]
    return [turn for turn in turns if turn is not None]


async def test_an_owner_alone_has_no_limit() -> None:
    assert _running(FairShare(SHARE), "a", 50) == []


async def test_beside_another_owner_further_calls_wait_and_follow_in_order() -> None:
    share = FairShare(SHARE)
    assert _running(share, "b", 1) == []
    first, second = _running(share, "a", SHARE + 2)
    share.leave("a")
    assert (first.done(), second.done()) == (True, False)
    share.leave("a")
    assert second.done()


async def test_an_owner_with_few_calls_never_waits_for_one_with_many() -> None:
    share = FairShare(SHARE)
    _running(share, "a", 50)
    assert _running(share, "b", SHARE) == []


async def test_calls_that_ran_before_another_owner_came_count() -> None:
    """A new call waits until fewer than its share run, however many began alone."""
    share = FairShare(SHARE)
    _running(share, "a", 5)
    _running(share, "b", 1)
    [turn] = _running(share, "a", 1)
    for _ in range(3):
        share.leave("a")
        assert not turn.done()
    share.leave("a")
    assert turn.done()


async def test_all_waiting_calls_run_when_the_owner_is_alone_again() -> None:
    share = FairShare(SHARE)
    _running(share, "b", 1)
    turns = _running(share, "a", SHARE + 5)
    share.leave("b")
    assert all(turn.done() for turn in turns)


@pytest.mark.parametrize("comes_first", [True, False], ids=["its turn has come", "it still waits"])
async def test_a_call_that_stops_waiting_passes_its_turn_on(*, comes_first: bool) -> None:
    share = FairShare(SHARE)
    _running(share, "b", 1)
    gone, other = _running(share, "a", SHARE + 2)
    if comes_first:
        share.leave("a")
        share.abandon("a", gone)
    else:
        gone.cancel()
        share.abandon("a", gone)
        share.leave("a")
    assert other.done()


class Caller:
    """Makes calls as the pipeline does, each of random length."""

    def __init__(self, random: Random) -> None:
        self.share = FairShare(SHARE)
        self.running = Counter[str]()
        self._random = random

    async def call(self, owner: str) -> None:
        """Wait for a turn, and run."""
        turn = self.share.enter(owner)
        if turn is not None:
            try:
                await turn
            except asyncio.CancelledError:
                self.share.abandon(owner, turn)
                raise
            assert self.running[owner] < SHARE or len(+self.running) == 1
        self.running[owner] += 1
        try:
            for _ in range(self._random.randrange(3)):
                await asyncio.sleep(0)
        finally:
            self.running[owner] -= 1
            self.share.leave(owner)


async def test_no_call_is_lost_and_no_share_exceeded_in_any_order() -> None:
    """Calls begin, end, and stop waiting or running at random: at last, nothing runs or waits."""
    random = Random(7)  # noqa: S311 - no secret
    for _ in range(times(30, 2000)):
        caller = Caller(random)
        calls = [asyncio.create_task(caller.call(random.choice("aaab"))) for _ in range(30)]
        for each in random.sample(calls, 5):
            await asyncio.sleep(0)
            each.cancel()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert [each for each in done if isinstance(each, AssertionError)] == []
        assert caller.share._owners == {}
