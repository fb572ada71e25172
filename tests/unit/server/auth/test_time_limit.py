"""The time limit of checks: a check that never waits sets no timer, and every other one is limited as usual."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.auth.time_limit import within
from tests.support.settling import settle


async def _immediate(result: Any) -> Any:
    if isinstance(result, BaseException):
        raise result
    return result


async def test_a_check_that_never_waits_sets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio, "timeout", None)
    assert await within(1, _immediate("yes")) == "yes"
    with pytest.raises(ZeroDivisionError):
        await within(1, _immediate(ZeroDivisionError()))


async def test_a_check_that_waits_gives_its_result_or_its_error() -> None:
    turn: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def waits() -> int:
        await asyncio.sleep(0)
        try:
            await turn
        except ZeroDivisionError:
            await asyncio.sleep(0)
            return 7
        raise AssertionError

    waiting = asyncio.create_task(within(60, waits()))
    await settle()
    turn.set_exception(ZeroDivisionError())
    assert await waiting == 7


@pytest.mark.parametrize("kind", ["coroutine", "future"])
async def test_a_check_that_takes_too_long_is_cancelled(kind: str) -> None:
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def waits() -> None:
        await never

    with pytest.raises(TimeoutError):
        await within(0.001, waits() if kind == "coroutine" else never)
    assert never.cancelled()


async def test_a_cancellation_of_the_call_reaches_the_check() -> None:
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    began = asyncio.Event()

    async def waits() -> None:
        began.set()
        await never

    waiting = asyncio.create_task(within(60, waits()))
    await began.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert never.cancelled()
