"""Limits log lines that callers can cause, so that no caller can fill a disk; suppressed lines are counted."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Kind:
    written_at: float
    left_out: int = 0


class LogLimit:
    """Writes at most one line per kind and period.

    The first line of a kind is written at once. Each further one says how many of its kind were left out before it.
    """

    def __init__(
        self, logger: logging.Logger, every: float = 1.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._every = every
        self._monotonic = monotonic
        self._kinds: dict[str, _Kind] = {}

    def warning(self, kind: str, text: str, *arguments: object) -> None:
        """Write a line, or count it; the code names the kinds, so there are few of them."""
        now = self._monotonic()
        known = self._kinds.get(kind)
        if known is not None and now - known.written_at < self._every:
            known.left_out += 1
            return
        left_out = known.left_out if known is not None else 0
        self._kinds[kind] = _Kind(now)
        self._logger.warning("%s (%d more since the last such line)", text % arguments, left_out)
