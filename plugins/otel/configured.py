"""Tells from the variables of OpenTelemetry which signals are exported, without an import of its SDK."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import PluginError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SIGNALS = ("traces", "metrics", "logs")


def signals(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the signals to export.

    Traces are exported where an endpoint is set. Metrics and logs are exported where an endpoint of their own is set,
    or where an endpoint is set and ``OTEL_<SIGNAL>_EXPORTER`` is ``otlp``.

    Raises:
        PluginError: a variable names an exporter or a protocol that this server does not have.
    """
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return frozenset()
    found = frozenset(signal for signal in SIGNALS if _is_on(environ, signal))
    for name in ("OTEL_EXPORTER_OTLP_PROTOCOL", *(f"OTEL_EXPORTER_OTLP_{each.upper()}_PROTOCOL" for each in found)):
        if found and environ.get(name, "grpc") not in {"grpc", ""}:
            raise PluginError(f"{name} is {environ[name]!r}; this server exports over grpc alone")
    return found


def _is_on(environ: Mapping[str, str], signal: str) -> bool:
    upper = signal.upper()
    name = f"OTEL_{upper}_EXPORTER"
    exporter = environ.get(name, "").strip().lower()
    if exporter not in {"", "otlp", "none"}:
        raise PluginError(f"{name} is {environ[name]!r}; this server has the exporters 'otlp' and 'none'")
    if exporter == "none":
        return False
    own = bool(environ.get(f"OTEL_EXPORTER_OTLP_{upper}_ENDPOINT"))
    return own or (bool(environ.get(ENDPOINT)) and (exporter == "otlp" or signal == "traces"))
