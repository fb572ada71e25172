"""Metrics as protocols: counters, gauges and histograms that ``/_/metrics`` shows in Prometheus' text format.

Values are kept for each worker process, and added up when they are shown. All methods are for the thread of the event
loop. A metric keeps at most ``MAX_SERIES`` sets of label values; further ones are counted as ``other``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

GaugeMode = Literal["sum", "max", "min", "latest"]
"""How the values of several worker processes become one: their sum, the greatest, the least, or the one set last.

Only living processes count.
"""

MAX_SERIES = 1000
"""The number of sets of label values that one metric keeps in one process."""

OTHER = "other"
"""The value of every label of the series that counts for all sets of label values beyond ``MAX_SERIES``."""

DURATION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds, for calls and statements."""

LONG_BUCKETS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    *(60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0),
)
"""Upper bounds in seconds, for work that takes from milliseconds to a day."""

COUNT_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Upper bounds, for the sizes of batches."""

BYTE_BUCKETS = (256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0)
"""Upper bounds in bytes."""


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """The present value of one series.

    Attributes:
        value: the value of a counter or gauge; the sum of a histogram.
        counts: the counts of a histogram by bucket, the last one above the greatest bound; otherwise none.
    """

    labels: Mapping[str, str]
    value: float
    counts: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class MetricSnapshot:
    """The present values of one metric in this process.

    Attributes:
        name: the full name.
        type: ``counter``, ``gauge`` or ``histogram``.
        buckets: the upper bounds of a histogram.
    """

    name: str
    type: str
    description: str
    buckets: Sequence[float]
    points: Sequence[MetricPoint]


class BoundCounter(Protocol):
    """A counter with its label values."""

    def inc(self, amount: float = 1) -> None:
        """Add to it."""


class BoundGauge(Protocol):
    """A gauge with its label values."""

    def set(self, value: float) -> None:
        """Set it."""


class BoundHistogram(Protocol):
    """A histogram with its label values."""

    def observe(self, value: float) -> None:
        """Add a value."""


class Counter(Protocol):
    """A number that only grows."""

    def inc(self, amount: float = 1, **labels: str) -> None:
        """Add to it; ``labels`` gives a value to every label that was declared."""

    def of(self, *values: str) -> BoundCounter:
        """Return the counter of these label values, in their declared order; keep it where calls are frequent."""


class Gauge(Protocol):
    """A number that goes up and down; its mode says how the values of several worker processes become one."""

    def set(self, value: float, **labels: str) -> None:
        """Set it."""

    def of(self, *values: str) -> BoundGauge:
        """Return the gauge of these label values, in their declared order."""


class Histogram(Protocol):
    """A distribution of observed values, such as durations in seconds."""

    def observe(self, value: float, **labels: str) -> None:
        """Add a value."""

    def of(self, *values: str) -> BoundHistogram:
        """Return the histogram of these label values, in their declared order; keep it where calls are frequent."""


class Metrics(Protocol):
    """Makes a plugin's metrics. Names are lower case with underscores and get ``flovyn_<plugin>_`` in front.

    Asking for a name a second time returns the same metric.
    """

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        """Return the counter; by convention its name ends in ``_total``."""

    def gauge(self, name: str, description: str, labels: Sequence[str] = (), mode: GaugeMode = "sum") -> Gauge:
        """Return the gauge."""

    def histogram(
        self, name: str, description: str, labels: Sequence[str] = (), buckets: Sequence[float] = DURATION_BUCKETS
    ) -> Histogram:
        """Return the histogram; its name says the unit (``_seconds``), and ``buckets`` are ascending upper bounds."""
