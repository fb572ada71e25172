"""Expensive work: one piece at a time, in turns of owners, with the event loop free in between."""

from __future__ import annotations

import asyncio
import gc
import time
from functools import partial

import pytest

from core.errors import InvalidInput
from core.pacing import CHUNK_BYTES, PACE, SHORT_S, SMALL_BYTES, Pace, Turns, paced, paced_groups

LONG_S = 0.004
"""Longer than a piece that is not worth a pause."""


def _work(done: list[str], name: str) -> None:
    time.sleep(LONG_S)
    done.append(name)


async def test_owners_take_turns_however_much_one_of_them_wants() -> None:
    turns, done = Turns(), list[str]()
    many = [asyncio.create_task(turns.run("a", partial(_work, done, f"a{n}"))) for n in range(5)]
    await asyncio.sleep(0)
    few = [asyncio.create_task(turns.run("b", partial(_work, done, f"b{n}"))) for n in range(2)]
    await asyncio.gather(*many, *few)
    assert done == ["a0", "a1", "b0", "a2", "b1", "a3", "a4"]


async def test_no_collection_of_garbage_interrupts_a_piece() -> None:
    """A piece that makes many objects triggers no collection, and the collector works again afterwards, after errors too."""
    collections: list[str] = []

    def note(phase: str, _info: object) -> None:
        collections.append(phase)

    def piece() -> int:
        before = len(collections)
        made = [[number] for number in range(10_000)]
        assert made
        return len(collections) - before

    def fail() -> None:
        raise InvalidInput("no JSON")

    gc.callbacks.append(note)
    try:
        assert await Turns().run("a", piece) == 0
        with pytest.raises(InvalidInput):
            await Turns().run("a", fail)
    finally:
        gc.callbacks.remove(note)
    assert gc.isenabled()


async def test_other_work_runs_between_two_pieces() -> None:
    """The event loop is free as long as a piece took: a task that only yields is called again and again."""
    turns, done = Turns(), list[str]()
    pieces = [asyncio.create_task(turns.run("a", partial(_work, done, "piece"))) for _ in range(3)]
    while not all(each.done() for each in pieces):
        await asyncio.sleep(0)
        done.append("other")
    text = " ".join(done)
    assert text.count("piece") == 3
    assert "piece piece" not in text.replace("piece other piece", "piece piece")  # never after one call alone


async def test_an_error_and_a_cancellation_pass_the_turn_on() -> None:
    turns, done = Turns(), list[str]()

    def fails() -> None:
        time.sleep(LONG_S)
        raise ZeroDivisionError

    failing = asyncio.create_task(turns.run("a", fails))
    leaving = [asyncio.create_task(turns.run(name, partial(_work, done, name))) for name in ("b", "b", "c")]
    staying = asyncio.create_task(turns.run("d", partial(_work, done, "d")))
    await asyncio.sleep(0)
    for each in leaving:
        each.cancel()
    with pytest.raises(ZeroDivisionError):
        await failing
    async with asyncio.timeout(10):
        await staying
    assert done == ["d"]


async def test_a_caller_that_is_cancelled_at_its_turn_passes_it_on() -> None:
    turns, done = Turns(), list[str]()
    first = asyncio.create_task(turns.run("a", partial(_work, done, "a")))
    await asyncio.sleep(0)
    second = asyncio.create_task(turns.run("b", partial(_work, done, "b")))
    third = asyncio.create_task(turns.run("c", partial(_work, done, "c")))
    await first
    while turns._waiting.get("b"):
        await asyncio.sleep(0)
    second.cancel()
    async with asyncio.timeout(10):
        await third
    assert done == ["a", "c"]


async def test_small_work_never_waits() -> None:
    turns, done = Turns(), list[str]()
    PACE.set(Pace(turns, "a"))
    await paced(SMALL_BYTES + 1, partial(_work, done, "large"))
    assert turns._busy
    await paced(SMALL_BYTES, partial(done.append, "small"))
    assert done == ["large", "small"]
    assert turns._busy


async def test_a_series_of_short_pieces_is_interrupted_like_a_long_one() -> None:
    """Other work runs although no piece alone is worth a pause."""
    turns, done = Turns(), list[str]()

    async def series() -> None:
        for _ in range(20):
            await turns.run("a", partial(time.sleep, SHORT_S / 4))
        done.append("series")

    pieces = asyncio.create_task(series())
    while not pieces.done():
        await asyncio.sleep(0)
        done.append("other")
    assert done.count("other") > 2
    assert done[-2:] == ["series", "other"]


async def test_items_are_worked_on_in_groups_of_the_size_of_a_chunk() -> None:
    """In order, none left out; an item that is larger than a chunk is a group of its own."""
    turns = Turns()
    PACE.set(Pace(turns, "a"))
    sizes = [CHUNK_BYTES // 2] * 5 + [3 * CHUNK_BYTES, 1]
    groups = await paced_groups(list(enumerate(sizes)), lambda item: item[1], lambda group: [n for n, _ in group])
    assert groups == [[0, 1], [2, 3], [4, 5], [6]]
    assert await paced_groups([], len, len) == []
