"""Stopping: one service or plugin that does not end keeps nothing else from its orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import pytest

from core.plugin import Plugin
from core.service import Service
from server.background.supervisor import Supervisor
from server.boot.stopping import Stopping
from tests.support.running import running_server


class Waiting:
    """A service that waits, and says that it was stopped."""

    name = "waiting"

    def __init__(self) -> None:
        self.started, self.stopped = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Wait until cancelled."""
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()


class Stubborn(Waiting):
    """A service that does not heed its cancellation, until a test's end releases it."""

    name = "stubborn"

    def __init__(self) -> None:
        super().__init__()
        self.released = asyncio.Event()

    async def run(self) -> None:
        """Go on until released."""
        self.started.set()
        while not self.released.is_set():
            with suppress(asyncio.CancelledError):
                await self.released.wait()


@pytest.fixture
async def stubborn() -> AsyncIterator[Stubborn]:
    """A stubborn service that does not outlive its test."""
    service = Stubborn()
    yield service
    service.released.set()


async def test_a_service_that_does_not_stop_is_named_and_left_behind(
    stubborn: Stubborn, caplog: pytest.LogCaptureFixture
) -> None:
    """The stop ends in its time, and the others are stopped."""
    services = stubborn, Waiting()
    supervisor = Supervisor(services)
    supervisor.start()
    for each in services:
        await asyncio.wait_for(each.started.wait(), 5)
    await asyncio.wait_for(supervisor.stop(within=0.05), 5)
    assert services[1].stopped.is_set()
    assert "the service stubborn did not stop within 0.05 s" in caplog.text
    assert "waiting" not in caplog.text


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr)
async def test_a_service_that_exits_is_named_and_started_again(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes neither the process nor itself away."""
    again = asyncio.Event()

    class Exiting:
        name = "exiting"
        workflows = 0

        async def run(self) -> None:
            self.workflows += 1
            if self.workflows == 1:
                raise error
            again.set()
            await asyncio.Event().wait()

    supervisor = Supervisor([Exiting()])
    supervisor.start()
    await asyncio.wait_for(again.wait(), 5)
    await supervisor.stop(within=5)
    assert "the service exiting failed" in caplog.text


async def test_plugins_stop_in_order_whatever_one_of_them_does(
    database: str, stubborn: Stubborn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Services end before the hooks run; a hook and a service that never end are named; the engine is closed."""
    monkeypatch.setattr("server.boot.stopping.Stopping.left_for_plugins", lambda _stopping: 0.4)
    events: list[str] = []
    waiting = Waiting()

    class First(Plugin):
        name = "a-first"
        version = "1"

        def background_services(self) -> Sequence[Service]:
            return [waiting, stubborn]

        async def on_shutdown(self) -> None:
            events.append("stopped" if waiting.stopped.is_set() else "still running")

    class Second(Plugin):
        name = "b-second"
        version = "1"

        async def on_shutdown(self) -> None:
            await asyncio.Event().wait()

    async with running_server(database, [First, Second]) as client:
        engine = client.engine
        close = engine.close

        async def closing() -> None:
            await close()
            events.append("engine closed")

        monkeypatch.setattr(engine, "close", closing)
        await asyncio.wait_for(waiting.started.wait(), 5)
    assert events == ["stopped", "engine closed"]
    assert "'b-second': on_shutdown did not return within" in caplog.text
    assert "the service stubborn did not stop within" in caplog.text


async def test_plugins_stop_well_before_the_worker_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time that the calls in flight used of the drain's time is not left for plugins; a second always is."""
    clock = [100.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock[0])
    stopping = Stopping(10)
    assert (stopping.has_begun, stopping.left_for_plugins()) == (False, 6)
    stopping.begin()
    for clock[0], left in ((102.0, 4), (109.0, 1)):
        stopping.begin()
        assert (stopping.has_begun, stopping.left_for_plugins()) == (True, left)
