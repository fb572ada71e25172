"""Runs services: a service that ends by itself is logged and started again, after a growing pause."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from core.errors import FlovynError
from core.service import Service

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0
"""Also the longest time until a service notices that the database can be reached again."""

STEADY_S = 10.0
"""A service that ran for this time before it ended starts again after the shortest pause."""

CANCEL_AGAIN_S = 1.0
"""A service that has not ended this time after its cancellation is cancelled again."""

_log = logging.getLogger(__name__)


class Supervisor:
    """Runs services from ``start`` to ``stop``; both may be called twice, ``stop`` also first."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every service."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(_keep_running(service), name=service.name) for service in self._services]

    async def stop(self, within: float) -> None:
        """Stop every service; a service that has not ended after ``within`` seconds is logged and abandoned."""
        tasks, self._tasks = self._tasks, []
        pending = set(tasks)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while pending:  # a library can swallow a cancellation that comes at a bad moment: cancel again
            for task in pending:
                task.cancel()
            left = deadline - loop.time()
            _, pending = await asyncio.wait(pending, timeout=max(0, min(CANCEL_AGAIN_S, left)))
            if left <= 0:
                break
        for task in pending:
            _log.error("the service %s did not stop within %.3g s; it is abandoned", task.get_name(), within)


async def _keep_running(service: Service) -> None:
    loop = asyncio.get_running_loop()
    pause = FIRST_PAUSE_S
    while True:
        started = loop.time()
        try:
            await service.run()
            _log.error("the service %s ended by itself; starting it again", service.name)
        except FlovynError as error:
            _log.warning("the service %s failed; starting it again in %.1f s: %s", service.name, pause, error)
        except BaseException as error:
            if _is_stop(error):
                raise
            _log.exception("the service %s failed; starting it again in %.1f s", service.name, pause)
        if loop.time() - started > STEADY_S:
            pause = FIRST_PAUSE_S
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_S)


def _is_stop(error: BaseException) -> bool:
    """Return whether the service was stopped from outside: its own exit or cancellation is a failure."""
    task = asyncio.current_task()
    cancelled = task is None or task.cancelling() > 0
    return isinstance(error, GeneratorExit) or (isinstance(error, asyncio.CancelledError) and cancelled)
