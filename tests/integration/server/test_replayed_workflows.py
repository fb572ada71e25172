"""Workflows as code, replayed by a worker of every family against a real server."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.replay import Context, Failed
from tests.support.replaying_worker import ReplayingWorker, RunFailed
from tests.support.running import Client, running_server
from tests.support.styles import NAPI, STYLES, Style

pytestmark = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server."""
    async with running_server(database) as client:
        yield client


async def test_operations_are_recorded_once(client: Client, style: Style) -> None:
    """What is in the history is not run again; state changes come in the order of the code."""
    draws = itertools.count(1)

    async def code(context: Context, _data: Any) -> Any:
        context.set_state("step", 1)
        number = context.operation("draw", lambda: next(draws))
        context.clear_state("step")
        return number

    worker = ReplayingWorker(client, {"code": code}, style=style)
    run_id = await worker.start("code")
    assert await worker.run_once()
    assert await worker.result(run_id) == 1
    assert next(draws) == 2
    recorded = ["STATE_SET", "OPERATION_COMPLETED", "STATE_CLEARED"] if style is not NAPI else []
    assert [event for event, _ in await worker.history(run_id)] == [
        "WORKFLOW_STARTED", *recorded, "WORKFLOW_COMPLETED",
    ]  # fmt: skip


async def test_code_that_raises_fails_its_run(client: Client, style: Style) -> None:
    """The error's text reaches whoever waits for the result; so does a kind that nobody knows."""

    async def code(_context: Context, _data: Any) -> Any:
        raise Failed("boom")

    worker = ReplayingWorker(client, {"code": code}, style=style)
    for kind, error in (("code", "boom"), ("other", "Unknown workflow kind")):
        run_id = await worker.start(kind)
        await worker.run_once()
        with pytest.raises(RunFailed, match=error):
            await worker.result(run_id)
