"""Metrics as protocols: counters, gauges and histograms that ``/_/metrics`` shows in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Counter(Protocol):
    """A number that only grows."""

    def inc(self, amount: float = 1, **labels: str) -> None:
        """Add to it; ``labels`` gives a value to every label that was declared."""


class Gauge(Protocol):
    """A number that goes up and down; over several worker processes, their values are added up."""

    def set(self, value: float, **labels: str) -> None:
        """Set it."""


class Histogram(Protocol):
    """A distribution of observed values, such as durations in seconds."""

    def observe(self, value: float, **labels: str) -> None:
        """Add a value."""


class Metrics(Protocol):
    """Makes a plugin's metrics. Names are lower case with underscores and get ``flovyn_<plugin>_`` in front.

    Asking for a name a second time returns the same metric.
    """

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        """Return the counter; by convention its name ends in ``_total``."""

    def gauge(self, name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
        """Return the gauge."""

    def histogram(self, name: str, description: str, labels: Sequence[str] = ()) -> Histogram:
        """Return the histogram; its name says the unit (``_seconds``)."""
