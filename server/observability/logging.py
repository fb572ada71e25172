"""Structured logs: text on a terminal, one JSON object per line otherwise.

All code logs through the standard library: the message is a sentence, and ``extra`` holds its data.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from core.tracing import CURRENT
from server.observability.request_id import REQUEST_ID

if TYPE_CHECKING:
    from server.config.observability import Log

_NOISY = ("grpc", "asyncio", "psycopg.pool", "gunicorn.error")


def configure(settings: Log) -> None:
    """Send all log lines to standard error in the configured form; may be called again."""
    text = settings.format == "text" or (settings.format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _add_ids,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *(_text() if text else _json())],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _text() -> list[Any]:
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, pad_event_to=0)]


def _json() -> list[Any]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _add_ids(_logger: object, _method: str, event: Any) -> Any:
    request_id = REQUEST_ID.get()
    if request_id:
        event["request_id"] = request_id
    span = CURRENT.get()
    if span is not None:
        event["trace_id"], event["span_id"] = span.context.trace_id, span.context.span_id
    return event
