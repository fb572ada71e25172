"""Calls the hooks of plugins: an error names the plugin and the hook, and a hook that takes too long is reported."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core import plugin as api
from core.errors import FlovynError, PluginError, one_line

Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


def ask(plugin: str, hook: str, call: Callable[[], Answer], late: Callable[[str], None] | None = None) -> Answer:
    """Return the hook's answer.

    Args:
        plugin: the plugin's name.
        hook: the hook's name.
        call: calls the hook and checks its answer.
        late: called from another thread when the hook has not returned in time; by default the message is logged. The
            hook is not interrupted.

    Raises:
        PluginError: the hook raised, or took longer than ``core.plugin.HOOK_TIMEOUT_S``.
    """
    allowed = api.HOOK_TIMEOUT_S
    message = _late(plugin, hook, allowed)
    timer = threading.Timer(allowed, late or _log.error, (message,))
    timer.daemon = True
    begun = time.monotonic()
    timer.start()
    try:
        answer = call()
    except BaseException as error:  # a hook's SystemExit must not end the program as a success
        raise _failed(plugin, hook, error) from error
    finally:
        timer.cancel()
        timer.join()  # before a fork: threads do not survive it
    if time.monotonic() - begun > allowed:
        raise PluginError(message)
    return answer


async def wait_for(plugin: str, hook: str, call: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Wait for an asynchronous hook for at most so many seconds; one that ignores its cancellation goes on alone.

    Raises:
        PluginError: the hook raised, or did not end in time.
    """
    running = asyncio.create_task(_outcome(call), name=f"{plugin}: {hook}")
    try:
        ended, _ = await asyncio.wait({running}, timeout=seconds)
    finally:
        running.cancel()
    if not ended:
        raise PluginError(_late(plugin, hook, seconds))
    error = running.result()
    if error is not None:
        raise _failed(plugin, hook, error) from error


async def _outcome(call: Callable[[], Awaitable[None]]) -> BaseException | None:
    """Return the hook's error: raised in a task, a ``SystemExit`` would end the event loop."""
    try:
        await call()
    except BaseException as error:  # noqa: BLE001 - the caller decides
        return error
    return None


def _failed(plugin: str, hook: str, error: BaseException) -> PluginError:
    """Return the error to raise; an error that is not a ``FlovynError`` is also logged, with its traceback."""
    if isinstance(error, FlovynError):
        return PluginError(f"plugin {plugin!r}: {hook} failed: {error}")
    _log.error("plugin %r: %s raised", plugin, hook, exc_info=error)
    return PluginError(f"plugin {plugin!r}: {hook} failed: {one_line(error)}")


def _late(plugin: str, hook: str, seconds: float) -> str:
    return f"plugin {plugin!r}: {hook} did not return within {seconds:.3g} s"
