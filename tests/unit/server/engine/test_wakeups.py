"""Waking parked pollers: nothing lost, nothing wasted."""

from __future__ import annotations

import asyncio
import itertools
import random
from functools import partial
from uuid import UUID

import pytest

from server.domain.claim import Claim
from server.domain.worker import Category
from server.engine.dispatch.wakeups import Announcer, Wakeups, parse_announcement
from tests.support.repetitions import times
from tests.support.settling import settle

KEY = (UUID(int=1), "q")
KIND = "k"


async def test_work_that_is_there_is_taken_without_waiting() -> None:
    """A poller looks before it parks."""

    async def look() -> str:
        return "work"

    assert await Wakeups().poll(KEY, look, hold=60) == "work"


async def test_no_work_is_none_after_the_hold() -> None:
    """The hold is honoured, and no poller stays parked."""
    wakeups = Wakeups()

    async def look() -> None:
        return None

    taken: object = await wakeups.poll(KEY, look, hold=0.01)
    assert taken is None
    assert not wakeups.wake(KEY, KIND)


async def test_a_wake_up_during_the_look_is_not_lost() -> None:
    """Work committed while a poller looks wakes it, although it was not parked yet."""
    wakeups = Wakeups()
    looks = 0

    async def look() -> str | None:
        nonlocal looks
        looks += 1
        if looks == 1:
            assert wakeups.wake(KEY, KIND)
            return None
        return "work"

    assert await asyncio.wait_for(wakeups.poll(KEY, look, hold=60), 5) == "work"


@pytest.mark.parametrize(("work", "next_tries"), [("work", 1), (None, 0)])
async def test_a_wake_up_that_is_not_needed_is_passed_on(work: str | None, next_tries: int) -> None:
    """A poller that was woken while it claimed work itself wakes the next one; one without work tries again itself."""
    queue = _Queue()
    claiming, claimed = asyncio.Event(), asyncio.Event()

    async def claim() -> str | None:
        if claiming.is_set():
            return "later"
        claiming.set()
        await claimed.wait()
        return work

    first = asyncio.create_task(queue.wakeups.poll(KEY, claim, hold=60))
    await claiming.wait()
    await queue.park("second")
    assert queue.wakeups.wake(KEY, KIND)
    claimed.set()
    assert await asyncio.wait_for(first, 5) == (work or "later")
    await settle()
    assert queue.tries == ["second"] * next_tries
    await queue.close()


async def test_work_wakes_a_poller_that_takes_its_kind() -> None:
    """A poller for other kinds sleeps on, although it came first."""
    wakeups = Wakeups()
    looks: list[str] = []

    async def look_as(name: str) -> None:
        looks.append(name)

    picky = asyncio.create_task(wakeups.poll(KEY, lambda: look_as("picky"), 60, kinds=("other",)))
    right = asyncio.create_task(wakeups.poll(KEY, lambda: look_as("right"), 60, kinds=("k", "z")))
    await settle()
    looks.clear()
    assert wakeups.wake(KEY, KIND)
    assert not wakeups.wake(KEY, "nobody")
    await settle()
    assert looks == ["right"]
    for task in (picky, right):
        task.cancel()
    await asyncio.gather(picky, right, return_exceptions=True)


@pytest.mark.parametrize(
    ("parked", "new", "process", "claims"),
    [
        ((), (), 7, 0),
        ((), ("a",), 7, 0),
        (("a", "b"), ("b",), 7, 0),
        (("a",), ("a", "b"), 7, 1),
        (("a",), ("b",), 7, 1),
        (("a",), (), 7, 1),
        ((), (), None, 1),
    ],
)
async def test_a_poller_parks_without_a_claim_beside_one_that_accepts_all_its_kinds(
    parked: tuple[str, ...], new: tuple[str, ...], process: int | None, claims: int
) -> None:
    """The other one has found nothing, and is woken when there is work: if the process gets notifications."""
    wakeups, claim = Wakeups(), Claim("w", process=process)
    tried: list[str] = []

    async def try_claim(name: str) -> str | None:
        tried.append(name)
        return "work" if tried.count(name) > 1 else None

    first = asyncio.create_task(wakeups.poll(KEY, lambda: try_claim("first"), 60, parked, claim=claim))
    await asyncio.wait_for(wakeups.parked.wait(), 5)
    wakeups.parked.clear()
    second = asyncio.create_task(wakeups.poll(KEY, lambda: try_claim("second"), 60, new, claim=claim))
    await asyncio.wait_for(wakeups.parked.wait(), 5)
    assert tried.count("second") == claims
    for task in (first, second):
        task.cancel()
    await asyncio.gather(first, second, return_exceptions=True)


async def test_a_poller_tries_to_claim_beside_one_that_was_woken() -> None:
    """There may be more work than the woken one claims."""
    wakeups = Wakeups()
    items: list[str] = []

    async def try_claim() -> str | None:
        return items.pop() if items else None

    claim = Claim("w", process=7)
    first = asyncio.create_task(wakeups.poll(KEY, try_claim, 60, claim=claim))
    await asyncio.wait_for(wakeups.parked.wait(), 5)
    items += ["a", "b"]
    wakeups.wake(KEY, KIND)
    second = asyncio.create_task(wakeups.poll(KEY, try_claim, 60, claim=claim))
    assert {await asyncio.wait_for(first, 5), await asyncio.wait_for(second, 5)} == {"a", "b"}


async def test_a_cancelled_poller_passes_its_wake_up_on() -> None:
    """Woken and cancelled in one moment: the next poller is woken instead."""
    wakeups = Wakeups()
    items: list[str] = []

    async def look() -> str | None:
        return items.pop() if items else None

    polls = [asyncio.create_task(wakeups.poll(KEY, look, 60)) for _ in range(2)]
    await settle()
    items.append("work")
    wakeups.wake(KEY, KIND)
    polls[0].cancel()
    assert await asyncio.wait_for(polls[1], 5) == "work"


async def test_a_nudge_finds_work_without_a_wake_up() -> None:
    """One poller of the queue looks; having found work, it lets the next look, until nothing is left."""
    wakeups = Wakeups()
    items: list[str] = []
    looks = itertools.count()

    async def look() -> str | None:
        next(looks)
        return items.pop() if items else None

    polls = [asyncio.create_task(wakeups.poll(KEY, look, 60)) for _ in range(50)]
    await settle()
    before = next(looks)
    wakeups.nudge(KEY)
    await settle()
    assert next(looks) == before + 2  # one look, and this one
    items += ["work"] * 3
    wakeups.nudge(KEY)
    await settle()
    done = [poll for poll in polls if poll.done()]
    assert ([poll.result() for poll in done], len(polls) - len(done)) == (["work"] * 3, 47)
    wakeups.close()
    await asyncio.gather(*polls)


class _Queue:
    """A queue of the tests: its pollers, its pending items, and the pollers that tried to claim, in order."""

    def __init__(self) -> None:
        self.wakeups = Wakeups()
        self.items: list[str] = []
        self.tries: list[str] = []
        self._polls: list[asyncio.Task[str | None]] = []

    async def park(self, name: str, *kinds: str) -> asyncio.Task[str | None]:
        """Return a poll that has found nothing and is parked."""
        self.wakeups.parked.clear()
        poll = asyncio.create_task(self.wakeups.poll(KEY, partial(self._claim, name), 60, kinds))
        self._polls.append(poll)
        await asyncio.wait_for(self.wakeups.parked.wait(), 5)
        self.tries.clear()
        return poll

    async def close(self) -> None:
        """End all polls."""
        self.wakeups.close()
        await asyncio.gather(*self._polls, return_exceptions=True)

    async def _claim(self, name: str) -> str | None:
        self.tries.append(name)
        return self.items.pop() if self.items else None


@pytest.mark.parametrize(("items", "tries"), [(0, 1), (1, 3), (2, 5), (3, 7)])
async def test_each_claim_after_a_nudge_nudges_two_others(items: int, tries: int) -> None:
    """More would let idle pollers query in vain; fewer would serve a full queue more slowly."""
    queue = _Queue()
    for number in range(20):
        await queue.park(str(number))
    queue.items += ["work"] * items
    queue.wakeups.nudge(KEY)
    await settle()
    assert len(queue.tries) == tries
    await queue.close()


@pytest.mark.parametrize(
    ("kinds", "others", "wakes"),
    [
        (("a", "b"), ("b", "c"), True),
        (("a", "b"), ("c", "d"), False),
        ((), ("c",), True),
        (("a",), (), True),
    ],
)
async def test_a_wake_up_is_passed_on_to_a_poller_whose_kinds_overlap(
    kinds: tuple[str, ...],
    others: tuple[str, ...],
    wakes: bool,  # noqa: FBT001
) -> None:
    """The kind of the work is not known by then; no kinds means any."""
    queue = _Queue()
    cancelled = await queue.park("cancelled", *kinds)
    await queue.park("other", *others)
    assert queue.wakeups.wake(KEY, kinds[0] if kinds else "any")
    cancelled.cancel()
    await settle()
    assert queue.tries == (["other"] if wakes else [])
    await queue.close()


async def test_closing_answers_everybody() -> None:
    """Draining must not wait for polls to run out."""
    wakeups = Wakeups()

    async def look() -> None:
        return None

    polls = [asyncio.create_task(wakeups.poll(KEY, look, hold=60)) for _ in range(100)]
    await settle()
    wakeups.close()
    assert await asyncio.wait_for(asyncio.gather(*polls), 5) == [None] * 100


@pytest.mark.parametrize("seed", range(times(20, 2000)))
async def test_no_work_is_lost_between_producers_and_cancelled_consumers(seed: int) -> None:
    """Over random interleavings, with pollers that give up at any moment, every item is taken without a fallback."""
    rng = random.Random(seed)
    wakeups, items, taken = Wakeups(), list[int](), list[int]()
    done = asyncio.Event()

    async def look() -> int | None:
        await asyncio.sleep(0)
        return items.pop() if items else None

    async def consume() -> None:
        while not done.is_set():
            poll = asyncio.create_task(wakeups.poll(KEY, look, hold=60))
            if rng.random() < 0.3:
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
                poll.cancel()
            try:
                item = await poll
            except asyncio.CancelledError:
                continue
            if item is not None:
                taken.append(item)
            if len(taken) >= 300:
                done.set()
                wakeups.close()

    async def produce() -> None:
        for item in range(300):
            items.append(item)
            wakeups.wake(KEY, KIND)
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)

    # an item that a cancelled look had popped is put back by its batcher in the server; here popping is the last step
    await asyncio.wait_for(asyncio.gather(produce(), *(consume() for _ in range(5))), 10)
    assert sorted(taken) == list(range(300))


async def test_announcements_of_one_turn_are_sent_together() -> None:
    """One notification statement per batch, each queue once."""
    sent: list[list[str]] = []

    async def send(payloads: list[str]) -> None:
        sent.append(payloads)

    announcer = Announcer(send)
    for queue in ("a", "b", "a c"):
        announcer.announce(Category.TASK, (KEY[0], queue), KIND)
        announcer.announce(Category.TASK, (KEY[0], queue), KIND)
    await announcer.close()
    assert len(sent) == 1
    assert [parse_announcement(payload) for payload in sent[0]] == [
        (Category.TASK, (KEY[0], each), KIND) for each in ("a", "b", "a c")
    ]
