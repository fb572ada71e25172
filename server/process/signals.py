"""Handling of stop signals in a command before gunicorn takes over, or without gunicorn."""

from __future__ import annotations

import signal
from types import FrameType


def exit_on_sigterm(code: int) -> None:
    """Let SIGTERM end this process in order, with ``code``.

    Without a handler, the first process of a container ignores the signal: a start that waits for its database, or for
    migrations, could only be killed.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(code)

    signal.signal(signal.SIGTERM, end)
