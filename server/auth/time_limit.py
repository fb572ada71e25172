"""A time limit for checks that seldom wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from types import CoroutineType, coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def within(seconds: float, check: Awaitable[Result]) -> Result:
    """Await ``check`` for at most ``seconds``; return its result.

    Most checks end without waiting. They need no timer, which costs more than such a check itself: so ``check`` first
    runs up to its first wait, and the timer is set only then.

    Raises:
        TimeoutError: ``check`` took longer; it is cancelled.
    """
    if not isinstance(check, CoroutineType):
        async with asyncio.timeout(seconds):
            return await check
    try:
        waits_for = check.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    async with asyncio.timeout(seconds):
        return await _resumed(check, waits_for)


@coroutine
def _resumed(check: CoroutineType[Any, Any, Result], waits_for: Any) -> Generator[Any, Any, Result]:
    """Await a coroutine that has already run up to its first wait."""
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:  # noqa: BLE001 - the coroutine decides, as it would below ``await``
            thrown: BaseException | None = error
        else:
            thrown = None
        try:
            waits_for = check.send(sent) if thrown is None else check.throw(thrown)
        except StopIteration as done:
            result: Result = done.value
            return result
