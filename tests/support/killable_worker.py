"""A worker in a process of its own, to be killed: ``python -m tests.support.killable_worker PORT``.

Its workflow waits for three tasks, a timer, a promise, a signal and a child. All workers share one name, as those of the
Python SDK do by default.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any

import grpc.aio

from tests.support.load import CHANNEL
from tests.support.replay import Context
from tests.support.replaying_worker import ReplayingWorker
from tests.support.running import Connection
from tests.support.styles import FFI

QUEUE = "killed"
POLLERS = 4


async def _order(context: Context, data: Any) -> Any:
    waits = [context.task("double", data + number, max_retries=50) for number in range(3)]
    waits += [context.timer(50), context.promise("approval"), context.signal("go"), context.child("c", "part", data)]
    results = [await each for each in waits]
    return [*results[:3], *results[4:]]


async def _part(context: Context, data: Any) -> Any:
    return await context.task("double", data + 10, max_retries=50)


async def _double(_context: Any, data: Any) -> Any:
    return 2 * data


def result_of(data: int) -> list[Any]:
    """Return the result of a workflow."""
    return [2 * data, 2 * data + 2, 2 * data + 4, "approved", "went", 2 * data + 20]


async def _work(port: int) -> None:
    connection = Connection(grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL))
    worker = ReplayingWorker(connection, {"order": _order, "part": _part}, {"double": _double}, queue=QUEUE, style=FFI)

    async def again(once: Any) -> None:
        while True:
            try:
                await once()
            except grpc.aio.AioRpcError:  # the server was killed, or the work was given to another worker
                await asyncio.sleep(0.05)

    await asyncio.gather(*(again(once) for once in [worker.run_once, worker.work_once] for _ in range(POLLERS)))


class KillableWorker:
    """The process."""

    def __init__(self, port: int) -> None:
        path = os.pathsep.join(each for each in sys.path if each)
        command = [sys.executable, "-m", "tests.support.killable_worker", str(port)]
        self._process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    asyncio.run(_work(int(sys.argv[1])))
