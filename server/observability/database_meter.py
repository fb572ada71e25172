"""Counts the statements of a connection pool by their names, and names slow ones in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from core import tracing
from core.metrics import BoundHistogram, Metrics
from core.named_queries import name_of
from core.tracing import EndedSpan
from server.observability.work_meter import WorkMeter

UNNAMED = "unnamed"
"""The name of statements that are no named queries, such as BEGIN."""

_log = logging.getLogger("server.statements")


class DatabaseMeter:
    """The metrics of the statements and of the pool; ``slow`` is in seconds.

    Attributes:
        work: counts the work that statements write.
    """

    def __init__(self, metrics: Metrics, slow: float = 1.0, work: WorkMeter | None = None) -> None:
        self.work = work
        self._seconds = metrics.histogram(
            "statement_duration_seconds",
            "Time from the sending of a statement to its result; statements that are sent together share the wait.",
            ("statement",),
        )
        self._slow = slow
        self._bound: dict[object, BoundHistogram] = {}
        self._in_use = metrics.gauge("pool_connections", "Connections of the pool.", ("state",)).of("in_use")
        self._idle = metrics.gauge("pool_connections", "Connections of the pool.", ("state",)).of("idle")
        self._waiting = metrics.gauge("pool_calls_waiting", "Calls that wait for a connection of the pool.").of()
        self._waits = metrics.counter("pool_waits_total", "Calls that had to wait for a connection of the pool.").of()
        self._waited = metrics.counter("pool_wait_seconds_total", "Time for which calls waited for a connection.").of()
        self._errors = metrics.counter("pool_errors_total", "Calls that got no connection in time.").of()
        self._before: Mapping[str, int] = {}

    def statement(self, query: object, seconds: float) -> None:
        """Count a statement."""
        bound = self._bound.get(query)
        if bound is None:
            bound = self._bind(query)
        bound.observe(seconds)
        if tracing.CURRENT.get() is not None:
            _export(query, seconds)
        if seconds >= self._slow:
            _log.warning(
                "the statement %s took %.3f s",
                _name(query),
                seconds,
                extra={"statement": _name(query), "seconds": seconds},
            )

    def pool(self, stats: Mapping[str, int]) -> None:
        """Set the numbers of the pool, as psycopg_pool calls them."""
        size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
        self._in_use.set(size - idle)
        self._idle.set(idle)
        self._waiting.set(stats.get("requests_waiting", 0))
        before, self._before = self._before, dict(stats)
        for counter, name, unit in (
            (self._waits, "requests_queued", 1.0),
            (self._waited, "requests_wait_ms", 0.001),
            (self._errors, "requests_errors", 1.0),
        ):
            counter.inc((stats.get(name, 0) - before.get(name, 0)) * unit)

    def _bind(self, query: object) -> BoundHistogram:
        name = _name(query)
        bound = self._seconds.of(name)
        if name != UNNAMED:  # the texts of others may have no end
            self._bound[query] = bound
        return bound


def _export(query: object, seconds: float) -> None:
    """Export the span of a statement; only statements with a name have one."""
    span, name = tracing.CURRENT.get(), _name(query)
    if span is None or not span.context.sampled or name == UNNAMED:
        return
    now = time.time_ns()
    attributes = {"db.system.name": "postgresql", "db.query.summary": name}
    context = span.context.child()
    started = now - int(seconds * 1e9)
    tracing.export(EndedSpan(name, context, span.context.span_id, started, now, "client", attributes))


def _name(query: object) -> str:
    return (name_of(query) if isinstance(query, str) else None) or UNNAMED
