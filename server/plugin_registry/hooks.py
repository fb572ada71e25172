"""Calls a plugin's hooks so that one that fails is named, and takes nothing else with it."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from core import plugin as api
from core.errors import FlovynError, PluginError, one_line
from core.plugin import Plugin

GRACE_S = 0.5
"""How long a hook that was cancelled or interrupted may take to end; then it is interrupted again, or left behind."""

Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


class _Blocked(BaseException):
    """A hook has held the thread for too long; no ``except Exception`` in the hook keeps it from ending."""


def ask(plugin: Plugin, hook: str, call: Callable[[], Answer]) -> Answer:
    """Return the hook's answer.

    Raises:
        PluginError: it raised, or did not return within ``core.plugin.HOOK_TIMEOUT_S``.
    """
    try:
        with _not_blocking(api.HOOK_TIMEOUT_S):
            return call()
    except _Blocked:
        raise _late(plugin, hook, api.HOOK_TIMEOUT_S) from None
    except BaseException as error:
        raise failed(plugin, hook, error) from error


async def wait_for(
    plugin: Plugin, hook: str, call: Callable[[], Awaitable[None]], seconds: float | None = None
) -> None:
    """Wait until an asynchronous hook is done; ``seconds`` is how long, when that is not the usual time.

    Raises:
        PluginError: it raised, or did not end in time; one that does not heed its cancellation is left behind.
    """
    seconds = api.HOOK_TIMEOUT_S if seconds is None else seconds
    running = asyncio.create_task(_outcome(call), name=f"{plugin.name}: {hook}")
    try:
        with _not_blocking(seconds + GRACE_S):
            ended, _ = await asyncio.wait({running}, timeout=seconds)
    finally:
        running.cancel()
    if not ended:
        with _not_blocking(GRACE_S):
            await asyncio.wait({running}, timeout=GRACE_S / 2)
        raise _late(plugin, hook, seconds)
    error = running.result()
    if isinstance(error, _Blocked):
        raise _late(plugin, hook, seconds)
    if error is not None:
        raise failed(plugin, hook, error) from error


async def _outcome(call: Callable[[], Awaitable[None]]) -> BaseException | None:
    """Return what the hook raised: raised in a task, an exit would end the event loop."""
    try:
        await call()
    except BaseException as error:  # noqa: BLE001 - whoever called decides
        return error
    return None


def failed(plugin: Plugin, hook: str, error: BaseException) -> PluginError:
    """Return the error of a hook that raised; what nobody expected is also logged with its traceback."""
    if not isinstance(error, FlovynError):
        _log.error("plugin %r: %s raised", plugin.name, hook, exc_info=error)
    text = str(error) if isinstance(error, FlovynError) else one_line(error)
    return PluginError(f"plugin {plugin.name!r}: {hook} failed: {text}")


def _late(plugin: Plugin, hook: str, seconds: float) -> PluginError:
    return PluginError(f"plugin {plugin.name!r}: {hook} did not return within {seconds:.3g} s")


@contextmanager
def _not_blocking(seconds: float) -> Iterator[None]:
    """Interrupt the body after so many seconds, again and again, also when it never gives the thread back.

    Only the main thread gets signals; elsewhere, nothing is interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise _Blocked

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, GRACE_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
