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
from core.errors import FlovynError, PluginError
from core.plugin import Plugin

GRACE_S = 1.0
"""An asynchronous hook is interrupted this much later than its wait is given up: only when it holds the thread."""

Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


class _Blocked(Exception):
    """A hook has held the thread for too long."""


def ask(plugin: Plugin, hook: str, call: Callable[[], Answer]) -> Answer:
    """Return the hook's answer.

    Raises:
        PluginError: it raised, or did not return within ``core.plugin.HOOK_TIMEOUT_S``.
    """
    try:
        with _not_blocking(api.HOOK_TIMEOUT_S):
            return call()
    except _Blocked:
        raise _late(plugin, hook) from None
    except Exception as error:
        raise failed(plugin, hook, error) from error


async def wait_for(plugin: Plugin, hook: str, call: Callable[[], Awaitable[None]]) -> None:
    """Wait until an asynchronous hook is done.

    Raises:
        PluginError: it raised, or did not end within ``core.plugin.HOOK_TIMEOUT_S``.
    """
    try:
        with _not_blocking(api.HOOK_TIMEOUT_S + GRACE_S):
            await asyncio.wait_for(call(), api.HOOK_TIMEOUT_S)
    except (TimeoutError, _Blocked):
        raise _late(plugin, hook) from None
    except Exception as error:
        raise failed(plugin, hook, error) from error


def failed(plugin: Plugin, hook: str, error: Exception) -> PluginError:
    """Return the error of a hook that raised; what nobody expected is also logged with its traceback."""
    if not isinstance(error, FlovynError):
        _log.error("plugin %r: %s raised", plugin.name, hook, exc_info=error)
    text = str(error) if isinstance(error, FlovynError) else f"{type(error).__name__}: {error}"
    return PluginError(f"plugin {plugin.name!r}: {hook} failed: {text}")


def _late(plugin: Plugin, hook: str) -> PluginError:
    return PluginError(f"plugin {plugin.name!r}: {hook} did not return within {api.HOOK_TIMEOUT_S} s")


@contextmanager
def _not_blocking(seconds: float) -> Iterator[None]:
    """Interrupt the body after so many seconds, also when it never gives the thread back.

    Only the main thread gets signals; elsewhere, nothing is interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise _Blocked

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
