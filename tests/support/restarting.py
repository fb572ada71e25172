"""A server that is killed, stopped and started again, always on the same ports."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.support.pex import FOR_TENANT, Serving

SETTINGS = {**FOR_TENANT, "PROCESS__WORKERS": "2", "PROCESS__DRAIN_TIMEOUT": "8"}
IMPATIENT = {"ENGINE__ACTIVATION_LEASE": "2", "ENGINE__WORKER_SILENCE": "1", "ENGINE__TASK_LEASE": "1"}
"""Work of a crashed process is dispatched again soon."""


class Restarting:
    """A server that is killed and started again, always on the same ports."""

    def __init__(self, database_url: str, **environ: str) -> None:
        self._database_url = database_url
        self._environ = {**SETTINGS, **IMPATIENT, **environ}
        self.server: Serving

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        self.server = Serving("MINIMAL_PEX", self._database_url, **self._environ)
        await asyncio.to_thread(self.server.__enter__)
        ports = {"SERVER_PORT": self.server.http_port, "GRPC_SERVER_PORT": self.server.grpc_port}
        self._environ |= {name: str(port) for name, port in ports.items()}

    async def stop(self) -> None:
        """Stop it, if it runs."""
        await asyncio.to_thread(self.server.__exit__, None, None, None)

    async def restart(self, **environ: str) -> None:
        """Stop it and start it again with further variables."""
        self._environ |= environ
        await self.stop()
        await self.start()

    async def crash(self, dice: random.Random) -> None:
        """Kill all of it and start it again, or kill one worker; it serves in full afterwards."""
        if dice.random() < 0.5:
            await asyncio.to_thread(self.server.kill)
            await self.stop()
            await self.start()
        else:
            await self._replaced(lambda: os.kill(dice.choice(self.server.workers()), signal.SIGKILL), 1)

    async def disturb(self, name: str) -> None:
        """Send a signal: SIGTERM (and start again) and SIGHUP to all of it, SIGKILL to a worker; then wait."""
        if name == "SIGTERM":
            self.server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(self.server.process.wait, 15) == 0
            await self.stop()
            await self.start()
        elif name == "SIGHUP":
            await self._replaced(lambda: self.server.process.send_signal(signal.SIGHUP), 2)
        else:
            await self._replaced(lambda: os.kill(self.server.workers()[0], signal.SIGKILL), 1)

    async def _replaced(self, disturb: Callable[[], None], workers: int) -> None:
        """Disturb, and wait until so many new workers serve."""
        serving = sum("is serving" in str(line.get("event")) for line in self.server.log)
        disturb()
        await asyncio.to_thread(self.server.wait_for, "is serving", serving + workers)


@asynccontextmanager
async def restarting(database_url: str, **environ: str) -> AsyncIterator[Restarting]:
    """Run a server that can be restarted."""
    server = Restarting(database_url, **environ)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
