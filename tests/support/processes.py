"""Servers in processes of their own, for tests that kill one."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio

from tests.support.running import Connection, running_server

START_WITHIN_S = 60
_ROOT = Path(__file__).parents[2]


class KillableServer(Connection):
    """A connection to a server process that can be killed."""

    def __init__(self, channel: grpc.aio.Channel, process: asyncio.subprocess.Process) -> None:
        super().__init__(channel)
        self._process = process

    async def kill(self) -> None:
        """End it with SIGKILL: it sends nothing, and its connections break."""
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def killable_server(database_url: str) -> AsyncIterator[KillableServer]:
    """Run a server in another process until the context is left, as ``running_server`` does in this one."""
    command = f"from tests.support.processes import serve; serve({database_url!r})"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", command, stdin=PIPE, stdout=PIPE, cwd=_ROOT, env=environ
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_WITHIN_S):
            port = int(await process.stdout.readline())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield KillableServer(channel, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def serve(database_url: str) -> None:
    """Serve, print the port, and go on until the input ends."""

    async def run() -> None:
        async with running_server(database_url) as client:
            sys.stdout.write(f"{client.settings.grpc_server_port}\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(run())
