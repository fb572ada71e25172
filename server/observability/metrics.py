"""Metrics in Prometheus' text format, the server's and the plugins', over all worker processes.

Each process writes its values into files of its own in one folder, which the supervising process makes; a scrape adds
them up, whichever worker answers it. Without that folder (tests, commands) a process counts for itself.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.metrics import Counter, Gauge, Histogram

if TYPE_CHECKING:  # the library looks for the folder when it is imported, which must not be before it is there
    import prometheus_client

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@contextmanager
def shared_folder() -> Iterator[None]:
    """Make the folder for this process and those that it forks, and remove it at the end."""
    folder = tempfile.mkdtemp(prefix="flovyn-metrics-")
    owner = os.getpid()
    os.environ[FOLDER_VARIABLE] = folder
    try:
        yield
    finally:
        if os.getpid() == owner:  # a forked worker leaves this context, too
            shutil.rmtree(folder, ignore_errors=True)


def forget(pid: int) -> None:
    """Leave the gauges of an ended worker out from now on."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


class MetricsRegistry:
    """Everything that one process counts."""

    def __init__(self) -> None:
        """Start empty."""
        from prometheus_client import CollectorRegistry

        self._registry = CollectorRegistry()
        self._made: dict[str, Any] = {}

    def of(self, owner: str) -> OwnMetrics:
        """Return what makes the metrics of ``owner``: a plugin's name in underscores, or a part of the server."""
        return OwnMetrics(self, owner)

    def make(self, kind: str, name: str, description: str, labels: Sequence[str], **more: Any) -> Any:
        """Return the metric of that name, made at the first call."""
        import prometheus_client

        if name not in self._made:
            made = getattr(prometheus_client, kind)
            self._made[name] = made(name, description, labelnames=labels, registry=self._registry, **more)
        return self._made[name]

    def text(self) -> bytes:
        """Return the values of all processes."""
        from prometheus_client import CollectorRegistry, generate_latest, multiprocess

        registry = self._registry
        if FOLDER_VARIABLE in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


class OwnMetrics:
    """Implements ``core.metrics.Metrics``."""

    def __init__(self, registry: MetricsRegistry, owner: str) -> None:
        """Take whose metrics these are."""
        self._registry = registry
        self._owner = owner

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        """Return the counter."""
        return _Counter(self._registry.make("Counter", self._name(name), description, labels))

    def gauge(self, name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
        """Return the gauge; processes' values are added up, those of ended processes left out."""
        made = self._registry.make("Gauge", self._name(name), description, labels, multiprocess_mode="livesum")
        return _Gauge(made)

    def histogram(self, name: str, description: str, labels: Sequence[str] = ()) -> Histogram:
        """Return the histogram."""
        return _Histogram(self._registry.make("Histogram", self._name(name), description, labels))

    def _name(self, name: str) -> str:
        return f"flovyn_{self._owner}_{name}"


class _Counter:
    def __init__(self, metric: prometheus_client.Counter) -> None:
        self._metric = metric

    def inc(self, amount: float = 1, **labels: str) -> None:
        (self._metric.labels(**labels) if labels else self._metric).inc(amount)


class _Gauge:
    def __init__(self, metric: prometheus_client.Gauge) -> None:
        self._metric = metric

    def set(self, value: float, **labels: str) -> None:
        (self._metric.labels(**labels) if labels else self._metric).set(value)


class _Histogram:
    def __init__(self, metric: prometheus_client.Histogram) -> None:
        self._metric = metric

    def observe(self, value: float, **labels: str) -> None:
        (self._metric.labels(**labels) if labels else self._metric).observe(value)
