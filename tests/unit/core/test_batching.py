"""Group commit: results, errors and cancelled callers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from core.batching import MANY_CALLS, MAX_BATCH, MAX_BATCH_BYTES, MAX_FLUSHES, Batcher, note_commit
from core.errors import FlovynError, InvalidInput, NotFound, StartupError, Unavailable
from tests.support.settling import settle


class Recorder:
    """A flush that records its batches; odd items are refused, negative ones poison the batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go_on = asyncio.Event()
        self.began = asyncio.Event()
        self.may_go_on.set()

    async def flush(self, items: Sequence[int]) -> list[int | FlovynError]:
        """Write a batch."""
        self.batches.append(list(items))
        self.began.set()
        await self.may_go_on.wait()
        if any(item < 0 for item in items):
            raise InvalidInput("poison")
        return [NotFound(str(item)) if item % 2 else item * 10 for item in items]


async def test_a_call_alone_is_flushed_at_once() -> None:
    """A call that comes alone is not delayed."""
    recorder = Recorder()
    assert await Batcher(recorder.flush).submit(2) == 20
    assert recorder.batches == [[2]]


async def test_calls_during_a_flush_become_one_batch() -> None:
    """Calls that come while a batch is being committed form the next batch."""
    recorder = Recorder()
    batcher = Batcher(recorder.flush)
    recorder.may_go_on.clear()
    calls = [asyncio.create_task(batcher.submit(item)) for item in (0, 2, 4, 6)]
    await settle()
    later = [asyncio.create_task(batcher.submit(item)) for item in (8, 10)]
    await settle()
    recorder.may_go_on.set()
    assert await asyncio.gather(*calls, *later) == [0, 20, 40, 60, 80, 100]
    assert sum(map(len, recorder.batches)) == 6
    assert len(recorder.batches) <= 3


async def test_while_many_calls_are_under_way_a_batch_waits_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The delay holds for calls of any batcher; when few calls are under way, it ends."""
    monkeypatch.setattr("core.batching.GATHER_S", 0.5)
    others, recorder = Recorder(), Recorder()
    others.may_go_on.clear()
    waiting = [asyncio.create_task(Batcher(others.flush).submit(0)) for _ in range(MANY_CALLS)]
    await settle()
    batcher = Batcher(recorder.flush)
    first = asyncio.create_task(batcher.submit(2))
    await settle()
    second = asyncio.create_task(batcher.submit(4))
    assert [await first, await second] == [20, 40]
    assert recorder.batches == [[2, 4]]
    others.may_go_on.set()
    await asyncio.gather(*waiting)
    monkeypatch.setattr("core.batching.GATHER_S", 3600)
    waiting = [asyncio.create_task(batcher.submit(2)) for _ in range(MANY_CALLS)]
    assert await asyncio.wait_for(asyncio.gather(*waiting), 20) == [20] * MANY_CALLS


async def test_a_batch_of_many_calls_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has enough calls already."""
    monkeypatch.setattr("core.batching.GATHER_S", 3600)
    recorder = Recorder()
    calls = map(Batcher(recorder.flush).submit, range(0, 4 * MANY_CALLS, 2))
    assert await asyncio.wait_for(asyncio.gather(*calls), 20) == [item * 10 for item in range(0, 4 * MANY_CALLS, 2)]
    assert len(recorder.batches) == 1


async def test_calls_that_fail_or_are_cancelled_no_longer_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise every later call would wait for calls that do not come."""
    recorder = Recorder()
    batcher = Batcher(recorder.flush)
    await asyncio.gather(*(batcher.submit(-1) for _ in range(2 * MANY_CALLS)), return_exceptions=True)
    recorder.may_go_on.clear()
    leaving = [asyncio.create_task(batcher.submit(2)) for _ in range(2 * MANY_CALLS)]
    await settle()
    for task in leaving:
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    recorder.may_go_on.set()
    await batcher.close()
    monkeypatch.setattr("core.batching.GATHER_S", 3600)
    assert await asyncio.wait_for(batcher.submit(2), 20) == 20


async def test_each_caller_gets_its_own_error() -> None:
    """An error in a result's place concerns that item alone."""
    results = await asyncio.gather(*map(Batcher(Recorder().flush).submit, [2, 3, 4]), return_exceptions=True)
    assert results[0] == 20
    assert isinstance(results[1], NotFound)
    assert results[2] == 40


async def test_a_poisoned_item_fails_alone() -> None:
    """A batch that is refused as a whole is halved until only the item at fault fails."""
    items = [*range(0, 40, 2), -2, *range(40, 60, 2)]
    results = await asyncio.gather(*map(Batcher(Recorder().flush).submit, items), return_exceptions=True)
    for item, result in zip(items, results, strict=True):
        assert isinstance(result, InvalidInput) if item < 0 else result == item * 10


@pytest.mark.parametrize(
    "error", [UnicodeEncodeError("utf-8", "\ud800", 0, 1, "half"), ZeroDivisionError(), TypeError()]
)
async def test_whatever_an_item_makes_a_flush_raise_it_fails_alone(error: Exception) -> None:
    """The calls beside it, of other tenants perhaps, succeed."""

    async def flush(items: Sequence[int]) -> list[int]:
        if 100 in items or 130 in items:
            raise error
        return list(items)

    results = await asyncio.gather(*map(Batcher(flush).submit, range(MAX_BATCH)), return_exceptions=True)
    assert results == [error if item in {100, 130} else item for item in range(MAX_BATCH)]


async def test_a_batch_that_may_be_committed_is_not_written_again() -> None:
    """Its items could be applied twice: all of its callers get the error."""
    batches: list[list[int]] = []

    async def flush(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        note_commit()
        raise ZeroDivisionError

    results = await asyncio.gather(*map(Batcher(flush).submit, range(8)), return_exceptions=True)
    assert [type(result) for result in results] == [ZeroDivisionError] * 8
    assert batches == [list(range(8))]


async def test_a_commit_counts_for_its_own_flush_alone() -> None:
    """Neither for the next batch nor for the other half of its own."""

    async def flush(items: Sequence[int]) -> list[int]:
        if 3 in items:
            raise ZeroDivisionError
        note_commit()
        return list(items)

    batcher = Batcher(flush)
    for _ in range(2):
        results = await asyncio.gather(*map(batcher.submit, range(8)), return_exceptions=True)
        assert [item for item in results if isinstance(item, int)] == [0, 1, 2, 4, 5, 6, 7]


async def test_the_search_for_items_at_fault_is_bounded() -> None:
    """A batch of nothing else is not written more often than the limit says, and every caller hears of it."""
    flushes = 0

    async def flush(_items: Sequence[int]) -> list[int]:
        nonlocal flushes
        flushes += 1
        raise ZeroDivisionError

    results = await asyncio.gather(*map(Batcher(flush).submit, range(MAX_BATCH)), return_exceptions=True)
    assert flushes == MAX_FLUSHES
    assert {type(result) for result in results} == {ZeroDivisionError, Unavailable}


async def test_a_caller_that_goes_while_its_batch_is_halved_is_not_written() -> None:
    """It was not written with the whole batch, and is left out of its part."""
    batches: list[list[int]] = []
    calls: list[asyncio.Task[int]] = []

    async def flush(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        if len(items) == 4:
            calls[3].cancel()
            await asyncio.sleep(0)
        if 0 in items:
            raise ZeroDivisionError
        return list(items)

    batcher = Batcher(flush)
    calls += [asyncio.create_task(batcher.submit(item)) for item in range(4)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in results] == [ZeroDivisionError, int, int, asyncio.CancelledError]
    assert batches == [[0, 1, 2, 3], [0, 1], [0], [1], [2]]


async def test_an_item_that_cannot_be_weighed_fails_alone() -> None:
    """Before it joins a batch."""
    batcher = Batcher(Recorder().flush, weigh=lambda item: 1 // item)
    results = await asyncio.gather(*map(batcher.submit, (0, 2)), return_exceptions=True)
    assert [type(results[0]), results[1]] == [ZeroDivisionError, 20]


@pytest.mark.parametrize("error", [Unavailable("away"), StartupError("not up to date")])
async def test_an_error_that_concerns_every_item_is_not_looked_for_in_each_half(error: FlovynError) -> None:
    """Halving would multiply an outage."""
    flushes = 0

    async def flush(_items: Sequence[int]) -> list[int]:
        nonlocal flushes
        flushes += 1
        raise error

    results = await asyncio.gather(*map(Batcher(flush).submit, range(8)), return_exceptions=True)
    assert results == [error] * 8
    assert flushes == 1


async def test_a_caller_that_left_before_its_batch_is_not_written() -> None:
    """Cancelled while waiting: the item never reaches the database."""
    recorder = Recorder()
    batcher = Batcher(recorder.flush)
    recorder.may_go_on.clear()
    first = asyncio.create_task(batcher.submit(2))
    await settle()
    gone = asyncio.create_task(batcher.submit(4))
    await settle()
    gone.cancel()
    await settle()
    recorder.may_go_on.set()
    assert await first == 20
    await batcher.close()
    assert [4] not in recorder.batches


async def test_results_of_callers_that_left_meanwhile_are_given_back() -> None:
    """Cancelled while the batch was being committed: the result goes to ``undelivered``."""
    recorder, late = Recorder(), list[int]()

    async def undelivered(results: Sequence[int]) -> None:
        late.extend(results)

    batcher = Batcher(recorder.flush, undelivered)
    recorder.may_go_on.clear()
    call = asyncio.create_task(batcher.submit(2))
    await recorder.began.wait()
    call.cancel()
    await settle()
    recorder.may_go_on.set()
    await batcher.close()
    assert late == [20]


async def test_a_result_that_is_ready_when_its_caller_is_cancelled_is_given_back() -> None:
    """Between the commit and the caller's next turn, a cancellation must not swallow the result."""
    late = list[int]()
    call: asyncio.Task[int]

    async def flush(items: Sequence[int]) -> list[int]:
        asyncio.get_running_loop().call_soon(lambda: asyncio.get_running_loop().call_soon(call.cancel))
        return list(items)

    async def undelivered(results: Sequence[int]) -> None:
        late.extend(results)

    for _ in range(3):  # whichever of the two comes first, exactly one side has the result
        batcher = Batcher(flush, undelivered)
        call = asyncio.create_task(batcher.submit(7))
        taken = await asyncio.gather(call, return_exceptions=True)
        await batcher.close()
        assert [*[each for each in taken if each == 7], *late] == [7]
        late.clear()


async def test_a_release_is_tried_again_and_harms_no_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away while results are given back neither loses them nor cancels other callers."""
    monkeypatch.setattr("core.batching.RETURN_PAUSES_S", (0, 0, 0))
    recorder, late = Recorder(), list[int]()
    attempts = 0

    async def undelivered(results: Sequence[int]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise Unavailable("away")
        late.extend(results)

    batcher = Batcher(recorder.flush, undelivered)
    recorder.may_go_on.clear()
    gone = asyncio.create_task(batcher.submit(2))
    await recorder.began.wait()
    staying = asyncio.create_task(batcher.submit(4))
    gone.cancel()
    await settle()
    recorder.may_go_on.set()
    assert await staying == 40
    await batcher.close()
    assert late == [20]


async def test_batches_are_bounded_by_size() -> None:
    """Large items go in several statements."""
    recorder = Recorder()
    batcher = Batcher(recorder.flush, weigh=lambda _item: MAX_BATCH_BYTES)
    await asyncio.gather(*map(batcher.submit, [0, 2, 4]))
    assert recorder.batches == [[0], [2], [4]]


async def test_a_bug_in_flush_reaches_every_caller() -> None:
    """No caller hangs when the flush raises something unexpected."""

    async def flush(_items: Sequence[int]) -> list[int]:
        raise ZeroDivisionError

    results = await asyncio.gather(*map(Batcher(flush).submit, range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ZeroDivisionError] * 3


async def test_batches_are_bounded() -> None:
    """A burst becomes several batches of at most the limit."""
    recorder = Recorder()
    await asyncio.gather(*map(Batcher(recorder.flush).submit, range(0, 2 * MAX_BATCH * 3, 2)))
    assert max(map(len, recorder.batches)) == MAX_BATCH


async def test_the_wrong_number_of_results_is_noticed() -> None:
    """A flush that loses a result must not leave its caller hanging silently with another's."""

    async def flush(items: Sequence[int]) -> list[int]:
        return list(items)[1:]

    with pytest.raises(RuntimeError, match="1 items were flushed and 0 results"):
        await Batcher(flush).submit(1)
