"""Counters, gauges and histograms on the values of a process; they implement the protocols of ``core.metrics``."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Sequence
from typing import Generic, TypeVar

from core.metrics import MAX_SERIES, OTHER, BoundCounter, BoundGauge, BoundHistogram
from server.observability.values import Doubles, MetricFamily, Values

Bound = TypeVar("Bound")

_log = logging.getLogger(__name__)


class Metric:
    """A metric with its series; with ``counts=False``, it records nothing."""

    def __init__(self, family: MetricFamily, values: Values, *, counts: bool) -> None:
        self.family = family
        self._values = values
        self._counts = counts

    def _place(self, values: Sequence[str]) -> tuple[Doubles, int]:
        """Return the place of a new series, in memory alone if its process cannot write its files."""
        try:
            return self._values.add(self.family, values)
        except OSError as error:
            _log.warning("a series of the metric %s is not shown: %s", self.family.name, error)
            return Values().add(self.family, values)

    def _named(self, labels: dict[str, str]) -> tuple[str, ...]:
        if labels.keys() != set(self.family.labels):
            raise ValueError(
                f"the metric {self.family.name} has the labels {list(self.family.labels)}, not {sorted(labels)}"
            )
        return tuple([labels[name] for name in self.family.labels])


class _Children(Metric, ABC, Generic[Bound]):
    def __init__(self, family: MetricFamily, values: Values, *, counts: bool) -> None:
        super().__init__(family, values, counts=counts)
        self._bound: dict[tuple[str, ...], Bound] = {}
        if not family.labels:
            self._new(())  # shown as 0 from the start
        elif counts:
            values.declare(family)

    _nothing: Bound
    """Records nothing."""

    def of(self, *values: str) -> Bound:
        """Return the series of these label values; that of ``other`` beyond ``MAX_SERIES``."""
        bound = self._bound.get(values)
        return self._new(values) if bound is None else bound

    @abstractmethod
    def _bind(self, values: Sequence[str]) -> Bound: ...

    def _new(self, values: tuple[str, ...]) -> Bound:
        if len(values) != len(self.family.labels):
            raise ValueError(f"the metric {self.family.name} has the labels {list(self.family.labels)}, not {values}")
        if len(self._bound) >= MAX_SERIES:
            values = (OTHER,) * len(values)
            if values in self._bound:
                return self._bound[values]
        bound = self._bound[values] = self._bind(values) if self._counts else self._nothing
        return bound


class _Nothing:
    """Records nothing."""

    __slots__ = ()

    def inc(self, amount: float = 1) -> None: ...

    def set(self, value: float) -> None: ...

    def observe(self, value: float) -> None: ...


_NOTHING = _Nothing()


class CounterMetric(_Children[BoundCounter]):
    """Implements ``core.metrics.Counter``."""

    _nothing = _NOTHING

    def inc(self, amount: float = 1, **labels: str) -> None:
        """Add to it."""
        self.of(*self._named(labels)).inc(amount)

    def _bind(self, values: Sequence[str]) -> BoundCounter:
        return _Counter(*self._place(values))


class GaugeMetric(_Children[BoundGauge]):
    """Implements ``core.metrics.Gauge``."""

    _nothing = _NOTHING

    def set(self, value: float, **labels: str) -> None:
        """Set it."""
        self.of(*self._named(labels)).set(value)

    def _bind(self, values: Sequence[str]) -> BoundGauge:
        return _Gauge(*self._place(values))


class HistogramMetric(_Children[BoundHistogram]):
    """Implements ``core.metrics.Histogram``."""

    _nothing = _NOTHING

    def observe(self, value: float, **labels: str) -> None:
        """Add a value."""
        self.of(*self._named(labels)).observe(value)

    def _bind(self, values: Sequence[str]) -> BoundHistogram:
        return _Histogram(*self._place(values), self.family.buckets)


class _Counter:
    __slots__ = ("_at", "_view")

    def __init__(self, view: Doubles, at: int) -> None:
        self._view, self._at = view, at

    def inc(self, amount: float = 1) -> None:
        self._view[self._at] += amount


class _Gauge:
    __slots__ = ("_at", "_view")

    def __init__(self, view: Doubles, at: int) -> None:
        self._view, self._at = view, at

    def set(self, value: float) -> None:
        self._view[self._at] = value
        self._view[self._at + 1] = time.time()


class _Histogram:
    __slots__ = ("_at", "_bounds", "_sum", "_view")

    def __init__(self, view: Doubles, at: int, bounds: tuple[float, ...]) -> None:
        self._view, self._at, self._bounds = view, at, bounds
        self._sum = at + len(bounds) + 1

    def observe(self, value: float) -> None:
        view = self._view
        view[self._at + bisect_left(self._bounds, value)] += 1
        view[self._sum] += value
