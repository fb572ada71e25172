"""Streams of server-sent events, as REST clients read them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from falcon import testing

from tests.support.running import WORKER_KEY, Client


class Reader:
    """Reads the events of one stream."""

    def __init__(self, result: testing.StreamedResult) -> None:
        self.result = result
        self._text = ""

    async def block(self) -> dict[str, str]:
        """Return the next event, or comment, as its fields."""
        async with asyncio.timeout(20):
            while "\n\n" not in self._text:
                self._text += (await self.result.stream.read()).decode()
        block, _, self._text = self._text.partition("\n\n")
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            fields[name] = f"{fields[name]}\n{value}" if name in fields else value
        return fields

    async def event(self) -> dict[str, str]:
        """Return the next event that is no comment."""
        while "event" not in (block := await self.block()):
            pass
        return block

    async def change(self) -> tuple[str, dict[str, Any]]:
        """Return name and snapshot of the next change of state."""
        body = json.loads((await self.event())["data"])
        return body["event"], body["data"]


@asynccontextmanager
async def open_stream(client: Client, path: str) -> AsyncIterator[Reader]:
    """Open a stream."""
    headers = {"authorization": f"Bearer {WORKER_KEY}"}
    async with (
        testing.ASGIConductor(client.app) as conductor,
        conductor.simulate_get_stream(path, headers=headers) as result,
    ):
        reader = Reader(result)
        assert "" in await reader.block()  # the comment that tells that it is open
        yield reader
