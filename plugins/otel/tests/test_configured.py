"""The variables of OpenTelemetry say which signals are exported."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from core.errors import PluginError
from plugins.otel.configured import signals

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, set()),
        (ENDPOINT, {"traces"}),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4317"}, {"traces"}),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://c:4317"}, {"logs"}),
        ({**ENDPOINT, "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "OTLP"}, {"traces", "metrics", "logs"}),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, set()),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "true"}, set()),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, set()),
    ],
)
def test_the_variables_choose_the_signals(environ: Mapping[str, str], expected: set[str]) -> None:
    """Traces need an endpoint alone; metrics and logs are asked for."""
    assert signals(environ) == expected


@pytest.mark.parametrize(
    "more",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
    ],
)
def test_an_unknown_exporter_or_protocol_stops_the_start(more: Mapping[str, str]) -> None:
    """The error names the variable."""
    with pytest.raises(PluginError, match=next(iter(more))):
        signals({**ENDPOINT, **more})
