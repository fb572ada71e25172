"""Counts how checks end, and says so in the log: one line per kind of refusal and interval, never a token."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from core.metrics import Metrics
from plugins.worker_token.domain import TokenOutcome

LOG_EVERY_S: Final = 10.0
"""Between two lines of the same kind."""


class Outcomes:
    """The metric ``checks_total`` and the log of refusals."""

    def __init__(
        self, metrics: Metrics, logger: logging.Logger, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._checks = metrics.counter("checks_total", "Checks of worker tokens by outcome.", ("outcome",))
        self._log = logger
        self._monotonic = monotonic
        self._refused: Counter[TokenOutcome] = Counter()
        self._last_peer: dict[TokenOutcome, str] = {}
        self._written_at = -LOG_EVERY_S

    @property
    def waiting(self) -> bool:
        """Whether there are refusals that the log does not tell yet."""
        return bool(self._refused)

    def admitted(self) -> None:
        """Count a token that was let in."""
        self._checks.inc(outcome=TokenOutcome.OK.value)

    def refused(self, outcome: TokenOutcome, peer: str) -> None:
        """Count one that was not."""
        self._checks.inc(outcome=outcome.value)
        self._refused[outcome] += 1
        self._last_peer[outcome] = peer

    def report(self, *, at_once: bool = False) -> None:
        """Write what has gathered, when the last lines are ``LOG_EVERY_S`` old or ``at_once`` is set."""
        at = self._monotonic()
        if not self._refused or (at - self._written_at < LOG_EVERY_S and not at_once):
            return
        self._written_at = at
        refused, self._refused = self._refused, Counter()
        for outcome, count in sorted(refused.items()):
            self._log.warning(
                "worker tokens were refused: %s, %d times since the last such line (last from %s)",
                outcome.value,
                count,
                self._last_peer[outcome] or "an unknown address",
            )
