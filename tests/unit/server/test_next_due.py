"""The alarm of the schedulers: it goes off when the nearest thing is due, and lets itself be set earlier."""

from __future__ import annotations

import asyncio

import pytest

from server.engine.next_due import NextDue


async def test_sleep_ends_when_something_nearer_is_due() -> None:
    """A long sleep is cut short by what is expected meanwhile."""
    due = NextDue()
    asyncio.get_running_loop().call_soon(due.expect, 0.0)
    async with asyncio.timeout(5):
        await due.sleep(60)


async def test_sleep_keeps_what_was_expected_before() -> None:
    """An alarm that was set while nobody slept is not lost."""
    due = NextDue()
    due.expect(0.0)
    due.expect(60.0)
    async with asyncio.timeout(5):
        await due.sleep(60)


async def test_sleep_forgets_what_has_passed() -> None:
    """After it went off, the next sleep lasts as long as it may."""
    due = NextDue()
    due.expect(0.0)
    await due.sleep(60)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await due.sleep(60)


async def test_a_cancellation_together_with_an_alarm_is_not_swallowed() -> None:
    """A scheduler that is stopped in the very moment that a timer starts stops all the same."""
    due = NextDue()
    sleeping = asyncio.create_task(due.sleep(60))
    await asyncio.sleep(0)
    due.expect(30.0)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
