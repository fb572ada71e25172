"""Counts the calls that the server refuses."""

from __future__ import annotations

from core.calls import Call, CallObserver, Outcome
from core.metrics import Metrics


class RefusalCounter(CallObserver):
    """Makes ``flovyn_hello_world_refusals_total`` of what it sees."""

    def __init__(self, metrics: Metrics) -> None:
        self._refusals = metrics.counter("refusals_total", "Calls that were refused, by protocol", ["protocol"])

    def after(self, call: Call, outcome: Outcome) -> None:
        """Count a refusal."""
        if outcome.is_refusal:
            self._refusals.inc(protocol=call.protocol)
