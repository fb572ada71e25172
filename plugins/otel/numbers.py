"""Exports the server's metrics: each worker process its own values, with a ``service.instance.id`` of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from core.metrics import MetricPoint, MetricSnapshot

DEFAULT_INTERVAL_MS = 60_000.0
_CUMULATIVE = AggregationTemporality.CUMULATIVE


class MetricsExport:
    """Exports all metrics every ``OTEL_METRIC_EXPORT_INTERVAL`` milliseconds, in a thread of its own."""

    def __init__(self, resource: Resource, version: str, snapshots: Callable[[], Sequence[MetricSnapshot]]) -> None:
        self._resource = resource
        self._scope = InstrumentationScope("flovyn-server", version)
        self._snapshots = snapshots
        self._began = time.time_ns()
        self._exporter = OTLPMetricExporter()
        self._seconds = float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") or DEFAULT_INTERVAL_MS) / 1000
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._export_again_and_again, name="otel metrics", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Export for the last time; this waits for the collector."""
        self._ends.set()
        self._thread.join()
        self._exporter.shutdown()

    def _export_again_and_again(self) -> None:
        while not self._ends.wait(self._seconds):
            self._exporter.export(self._data())
        self._exporter.export(self._data())

    def _data(self) -> MetricsData:
        metrics = [self._metric(each) for each in self._snapshots()]
        scope = ScopeMetrics(self._scope, metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    def _metric(self, metric: MetricSnapshot) -> Metric:
        now = time.time_ns()
        data: Sum | Gauge | Histogram
        if metric.type == "histogram":
            points = [self._distribution(metric, point, now) for point in metric.points]
            data = Histogram(points, _CUMULATIVE)
        else:
            values = [NumberDataPoint(dict(each.labels), self._began, now, each.value) for each in metric.points]
            data = Gauge(values) if metric.type == "gauge" else Sum(values, _CUMULATIVE, is_monotonic=True)
        unit = "s" if metric.name.endswith("_seconds") else "By" if metric.name.endswith("_bytes") else ""
        return Metric(metric.name, metric.description, unit, data)

    def _distribution(self, metric: MetricSnapshot, point: MetricPoint, now: int) -> HistogramDataPoint:
        unknown: Any = None  # the server does not keep the least and the greatest value
        return HistogramDataPoint(
            attributes=dict(point.labels),
            start_time_unix_nano=self._began,
            time_unix_nano=now,
            count=sum(point.counts),
            sum=point.value,
            bucket_counts=list(point.counts),
            explicit_bounds=list(metric.buckets),
            min=unknown,
            max=unknown,
        )
