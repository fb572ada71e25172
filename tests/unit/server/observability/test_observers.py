"""The observers of calls are told how each call ended, whatever one of them does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from core.auth import Action, Protocol
from core.calls import Call, CallObserver, Outcome
from core.clock import SystemClock
from server.observability.calls import CallEndpoint, CallObservers

ENDPOINT = CallEndpoint(Protocol.REST, "GET /things", Action.VIEW, "thing")


def _observer(after: Callable[[str], Awaitable[None] | None]) -> CallObserver:
    class Observer(CallObserver):
        def after(self, call: Call, outcome: Outcome) -> Awaitable[None] | None:
            return after(outcome.code)

    return Observer()


async def _end(*observers: CallObserver) -> None:
    watched = CallObservers([(str(number), each) for number, each in enumerate(observers)], SystemClock()).watch(
        ENDPOINT, "127.0.0.1"
    )
    assert watched is not None
    await watched.after("ok")


async def test_a_plain_observer_is_told_without_a_task() -> None:
    """A call pays for a task only where an observer waits."""
    codes: list[str] = []
    before = asyncio.all_tasks()
    steps: list[int] = []

    def tell(code: str) -> None:
        codes.append(code)
        steps.append(len(asyncio.all_tasks() - before))

    await _end(_observer(tell))
    assert (codes, steps) == (["ok"], [0])


@pytest.mark.parametrize("is_late", [False, True])
async def test_an_observer_that_raises_does_not_keep_others_from_being_told(
    caplog: pytest.LogCaptureFixture, *, is_late: bool
) -> None:
    """At once or while it is awaited; the error is logged whole, and the call goes on."""
    codes: list[str] = []

    async def fail() -> None:
        raise ValueError("broken")

    def fail_now(_code: str) -> Awaitable[None]:
        if is_late:
            return fail()
        raise ValueError("broken")

    await _end(_observer(fail_now), _observer(codes.append))
    assert codes == ["ok"]
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_an_observer_that_waits_goes_on_when_its_caller_disconnects() -> None:
    """The call is cancelled; what the observer does is not."""
    entered, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        entered.set()
        await may_end.wait()
        ended.set()

    call = asyncio.create_task(_end(_observer(lambda _code: wait())))
    await entered.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    may_end.set()
    await asyncio.wait_for(ended.wait(), 5)
