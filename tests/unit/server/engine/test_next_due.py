"""The moments at which a process expects something to be due: each is waited for, the nearest first."""

from __future__ import annotations

import asyncio

import pytest

from server.engine.schedules.next_due import NextDue
from tests.support.settling import settle


async def _waits(due: NextDue) -> bool:
    """Whether a wait does not end soon."""
    try:
        async with asyncio.timeout(0.02):
            await due.wait()
    except TimeoutError:
        return True
    return False


async def test_a_wait_ends_when_something_nearer_is_expected_meanwhile() -> None:
    """A long wait is cut short."""
    due = NextDue()
    due.expect(60.0)
    asyncio.get_running_loop().call_soon(due.expect, 0.0)
    async with asyncio.timeout(5):
        await due.wait()


async def test_a_moment_that_passed_without_a_waiting_call_is_not_lost() -> None:
    """The next wait ends at once."""
    due = NextDue()
    due.expect(60.0)
    due.expect(0.0)
    async with asyncio.timeout(5):
        await due.wait()


async def test_moments_that_have_passed_are_forgotten_and_later_ones_are_not() -> None:
    """Many that passed together end one wait; the one after them ends the next."""
    due = NextDue()
    for _ in range(3):
        due.expect(0.0)
    due.expect(0.2)
    await due.wait()
    assert await _waits(due)
    async with asyncio.timeout(5):
        await due.wait()
    assert await _waits(due)


async def test_without_a_moment_a_wait_does_not_end() -> None:
    """A process that has made nothing looks for nothing."""
    assert await _waits(NextDue())


async def test_the_nearest_moments_are_kept_when_there_are_too_many() -> None:
    """However many are far away and came first."""
    due = NextDue(kept=10)
    for number in range(1000):
        due.expect(60.0 + number)
    due.expect(0.0)
    for number in range(100):
        due.expect(3600.0 + number)
    assert len(due._due_times) <= 21
    async with asyncio.timeout(5):
        await due.wait()


async def test_a_cancellation_together_with_a_nearer_moment_is_not_swallowed() -> None:
    """A service that is stopped in the very moment that a timer starts stops all the same."""
    due = NextDue()
    waiting = asyncio.create_task(due.wait())
    await settle()
    due.expect(30.0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
