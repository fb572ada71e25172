"""A receiver of OTLP, made of the services of ``opentelemetry-proto``, and a server that exports to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from plugins.otel.plugin import OtelPlugin
from tests.support.running import Client, running_server


class Received:
    """The spans, metrics and log records that were sent.

    Attributes:
        spans: the spans.
        resource: the attributes of the newest resource.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.metrics: list[Any] = []
        self.logs: list[Any] = []
        self.resource: dict[str, str] = {}
        self.answers = asyncio.Event()
        self.answers.set()

    def named(self, name: str) -> list[Span]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]


class _Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, received: Received) -> None:
        self._received = received

    async def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the name of the RPC
        for each in request.resource_spans:
            self._received.resource = {item.key: item.value.string_value for item in each.resource.attributes}
            for scope in each.scope_spans:
                self._received.spans += scope.spans
        await self._received.answers.wait()
        return trace_service_pb2.ExportTraceServiceResponse()


class _Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self, received: Received) -> None:
        self._received = received

    async def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the name of the RPC
        for each in request.resource_metrics:
            for scope in each.scope_metrics:
                self._received.metrics += scope.metrics
        return metrics_service_pb2.ExportMetricsServiceResponse()


class _Logs(logs_service_pb2_grpc.LogsServiceServicer):
    def __init__(self, received: Received) -> None:
        self._received = received

    async def Export(self, request: Any, _context: Any) -> Any:  # noqa: N802 - the name of the RPC
        for each in request.resource_logs:
            for scope in each.scope_logs:
                self._received.logs += scope.log_records
        return logs_service_pb2.ExportLogsServiceResponse()


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[Received, str]]:
    """Run a receiver; yield what it gets, and its address."""
    received = Received()
    server = grpc.aio.server()
    traces: Any = trace_service_pb2_grpc  # generated without types
    metrics: Any = metrics_service_pb2_grpc
    logs: Any = logs_service_pb2_grpc
    traces.add_TraceServiceServicer_to_server(_Traces(received), server)
    metrics.add_MetricsServiceServicer_to_server(_Metrics(received), server)
    logs.add_LogsServiceServicer_to_server(_Logs(received), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield received, f"http://127.0.0.1:{port}"
    finally:
        received.answers.set()
        await server.stop(0)


@asynccontextmanager
async def exporting_server(
    database: str, monkeypatch: pytest.MonkeyPatch, endpoint: str, **variables: str
) -> AsyncIterator[Client]:
    """Run a server with the plugin; the variables are those of OpenTelemetry."""
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50", **variables}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    async with running_server(database, [OtelPlugin]) as client:
        yield client


def facts(span: Span) -> dict[str, Any]:
    """Return the attributes of a span."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in span.attributes}
