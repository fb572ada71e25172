"""A workbench for the tests of this plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from plugins.worker_token.tests.workbench import Bench, bench


@pytest_asyncio.fixture
async def work(database: str) -> AsyncIterator[Bench]:
    """The plugin's parts on a real database, with clocks that the test moves."""
    async with bench(database) as made:
        yield made
