"""Makes the exporters of the configured signals."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource

from core.plugin_services import PluginServices
from plugins.otel.spans import OtelTracer

if TYPE_CHECKING:  # imported where they are configured
    from plugins.otel.numbers import MetricsExport
    from plugins.otel.records import LogExport


class Exporting:
    """The exporters of a worker process; the SDK reads its variables when they are made.

    Attributes:
        tracer: None where no traces are configured.
    """

    def __init__(self, signals: Collection[str], services: PluginServices) -> None:
        info = services.build_info
        resource = Resource.create({"service.version": info.version, "flovyn.edition": info.edition})
        if str(resource.attributes.get("service.name")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "flovyn-server"}))
        self.tracer = OtelTracer(resource, info.version) if "traces" in signals else None
        self._numbers: MetricsExport | None = None
        self._records: LogExport | None = None
        if "metrics" in signals:
            from plugins.otel.numbers import MetricsExport

            self._numbers = MetricsExport(resource, info.version, services.snapshots)
        if "logs" in signals:
            from plugins.otel.records import LogExport

            self._records = LogExport(resource)

    def end(self) -> None:
        """Export what waits; this waits for the collector."""
        if self.tracer is not None:
            self.tracer.end()
        if self._numbers is not None:
            self._numbers.end()
        if self._records is not None:
            self._records.end()
