"""Exports the log lines of the process."""

from __future__ import annotations

import logging
import traceback

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, TraceFlags

from core.tracing import CURRENT

_SEVERITIES = {
    logging.DEBUG: SeverityNumber.DEBUG,
    logging.INFO: SeverityNumber.INFO,
    logging.WARNING: SeverityNumber.WARN,
    logging.ERROR: SeverityNumber.ERROR,
    logging.CRITICAL: SeverityNumber.FATAL,
}
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""The attributes that each record of the standard library has; the others are the data of the line."""


class LogExport(logging.Handler):
    """Exports the lines that the level of the log admits, with their data, from a thread of the SDK."""

    def __init__(self, resource: Resource) -> None:
        super().__init__()
        self._provider = LoggerProvider(resource, shutdown_on_exit=False)
        self._provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
        self._logger = self._provider.get_logger("flovyn-server")
        logging.getLogger().addHandler(self)

    def end(self) -> None:
        """Export what waits; this waits for the collector."""
        logging.getLogger().removeHandler(self)
        self._provider.shutdown()

    def emit(self, record: logging.LogRecord) -> None:
        """Give a line to the SDK, whose queue is bounded; the lines of the SDK itself are left out."""
        if record.name.startswith("opentelemetry"):
            return
        attributes: dict[str, str | int | float | bool] = {
            name: value if isinstance(value, str | int | float | bool) else str(value)
            for name, value in vars(record).items()
            if name not in _OWN
        }
        attributes["logger"] = record.name
        if record.exc_info is not None and record.exc_info[1] is not None:
            attributes["exception.stacktrace"] = "".join(traceback.format_exception(record.exc_info[1]))
        self._logger.emit(
            LogRecord(
                timestamp=int(record.created * 1e9),
                context=_context(),
                severity_text=record.levelname,
                severity_number=_SEVERITIES.get(record.levelno, SeverityNumber.UNSPECIFIED),
                body=record.getMessage(),
                attributes=attributes,
            )
        )


def _context() -> Context:
    """Return the context of the running task's span, so that the line is shown in its trace."""
    span = CURRENT.get()
    if span is None:
        return Context()
    place = span.context
    flags = TraceFlags(TraceFlags.SAMPLED if place.sampled else TraceFlags.DEFAULT)
    context = trace.SpanContext(int(place.trace_id, 16), int(place.span_id, 16), is_remote=False, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(context), Context())
