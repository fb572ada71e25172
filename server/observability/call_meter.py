"""Counts calls, and writes one line of the log for each.

The line of a successful call has the level ``debug``, of a refused one ``info``, of a failed or slow one ``warning``.
Callers can cause refusals as often as they like: of one operation and code, a few lines are written in a second.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from core.auth import Identity
from core.calls import OK
from core.errors import FlovynError, Unavailable
from core.metrics import BoundCounter, BoundHistogram, Metrics

if TYPE_CHECKING:
    from server.observability.calls import CallEndpoint

LINES_PER_S = 5
"""The number of lines about refused calls of one operation and code in a second."""

CANCELLED = "cancelled"

FAILURES = (FlovynError.code, Unavailable.code)
"""The codes of calls that the server failed."""

_log = logging.getLogger("server.calls")


class EndedCall(Protocol):
    """A call as its log line shows it."""

    endpoint: CallEndpoint
    identity: Identity
    known_caller: Identity | None
    tenant_id: UUID | None
    resource_id: str | None
    peer: str
    answer_size: Callable[[], int] | None

    @property
    def size(self) -> int:
        """Bytes of the request."""


class _Operation:
    """The meters of one operation."""

    __slots__ = ("codes", "seconds")

    def __init__(self, seconds: BoundHistogram) -> None:
        self.seconds = seconds
        self.codes: dict[str, BoundCounter] = {}


class CallMeter:
    """The metrics and the log lines of all calls of a process.

    Args:
        sample: the share of successful calls whose line is written at the level ``info``.
        slow: the seconds after which a call is slow.
    """

    def __init__(self, metrics: Metrics, *, sample: float = 0.0, slow: float = 2.0) -> None:
        self._calls = metrics.counter(
            "calls_total", "Calls that ended, by the code of their answer.", ("protocol", "operation", "code")
        )
        self._seconds = metrics.histogram(
            "call_duration_seconds",
            "Time from the receipt of a call to the end of its handler, without the time for which a poll was parked.",
            ("protocol", "operation"),
        )
        self._operations: dict[str, _Operation] = {}
        self._sample = sample
        self._slow = slow
        self._second = 0
        self._lines: dict[tuple[str, str], int] = {}

    def ended(self, call: EndedCall, code: str, seconds: float, parked: float, *, streams: bool = False) -> None:
        """Count a call that took ``seconds``, of which it was parked ``parked`` seconds; write its line."""
        name = call.endpoint.operation
        operation = self._operations.get(name)
        if operation is None:
            operation = self._operations[name] = _Operation(self._seconds.of(call.endpoint.protocol, name))
        counter = operation.codes.get(code)
        if counter is None:
            counter = operation.codes[code] = self._calls.of(call.endpoint.protocol, name, code)
        counter.inc()
        own = seconds - parked
        if not streams:
            operation.seconds.observe(own)
        level = self._level(name, code, 0.0 if streams else own)
        if level is not None:
            _write(level, call, code, seconds, parked)

    def health(self, protocol: str, operation: str, code: str) -> None:
        """Count a health check; it leaves no line."""
        self._calls.of(protocol, operation, code).inc()

    def unrouted(self, protocol: str, code: str, operation: str = "unrouted") -> None:
        """Count a call that no route or method takes, and write its line."""
        self._calls.of(protocol, operation, code).inc()
        level = self._level(f"{operation} {protocol}", code, 0.0)
        if level is not None:
            _log.log(level, "a call that no endpoint takes", extra={"protocol": protocol, "code": code})

    def _level(self, operation: str, code: str, seconds: float) -> int | None:
        """Return the level of a line; None for a line that is not written."""
        if seconds >= self._slow or code in FAILURES:
            return logging.WARNING
        if code in (OK, CANCELLED):
            if self._sample and random.random() < self._sample:  # noqa: S311 - a sample, no secret
                return logging.INFO
            return logging.DEBUG if _log.isEnabledFor(logging.DEBUG) else None
        return logging.INFO if self._may_write((operation, code)) else None

    def _may_write(self, kind: tuple[str, str]) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, left_out = second, {key: n - LINES_PER_S for key, n in self._lines.items() if n > LINES_PER_S}
            self._lines = {}
            for (operation, code), number in left_out.items():
                _log.info(
                    "further refused calls were left out", extra={"operation": operation, "code": code, "count": number}
                )
        number = self._lines[kind] = self._lines.get(kind, 0) + 1
        return number <= LINES_PER_S


def _write(level: int, call: EndedCall, code: str, seconds: float, parked: float) -> None:
    endpoint, identity = call.endpoint, call.known_caller or call.identity
    facts: dict[str, object] = {
        "protocol": endpoint.protocol,
        "operation": endpoint.operation,
        "code": code,
        "duration_ms": round(seconds * 1000, 3),
        "request_bytes": call.size,
        "peer": call.peer,
        "principal": identity.id,
    }
    if call.answer_size is not None:
        facts["response_bytes"] = call.answer_size()
    if parked:
        facts["parked_ms"] = round(parked * 1000, 3)
    if call.tenant_id is not None:
        facts["tenant_id"] = str(call.tenant_id)
    if call.resource_id is not None:
        facts[f"{endpoint.resource.replace('-', '_')}_id"] = call.resource_id
    _log.log(level, "call", extra=facts)
