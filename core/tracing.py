"""The seam for traces: the server says when spans begin and end, and a plugin's ``Tracer`` samples and exports them.

Without a tracer, no span exists. All methods are for the thread of the event loop.
"""

from __future__ import annotations

import hashlib
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

SpanKind = Literal["server", "client", "internal", "consumer"]
AttributeValue = str | int | float | bool

MAX_BAGGAGE_BYTES = 1024
"""A longer baggage is not kept."""

NO_SPAN = "0" * 16
"""The id of the span of a context that has none: its next span is the root of the trace."""

_FIELDS = 4
"""The fields of a traceparent."""


@dataclass(frozen=True, slots=True)
class SpanContext:
    """The place of a span in a trace, as W3C Trace Context defines it.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 hexadecimal digits; ``NO_SPAN`` for a trace that has no span yet.
        sampled: whether the spans of the trace are exported.
        state: the header ``tracestate``.
        baggage: the header ``baggage``.
    """

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""
    baggage: str = ""

    @property
    def traceparent(self) -> str:
        """The header ``traceparent``."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self, span_id: str | None = None) -> SpanContext:
        """Return the context of a span below this one, by default with a new id."""
        return SpanContext(self.trace_id, span_id or new_span_id(), self.sampled, self.state, self.baggage)

    def stored(self) -> str:
        """Return the text that ``restored`` reads."""
        return f"{self.traceparent}\n{self.state}\n{self.baggage}".rstrip("\n")

    @classmethod
    def restored(cls, text: str | None) -> SpanContext | None:
        """Return the context of a stored text; None for None, or for a text that is none."""
        if text is None:
            return None
        head, _, rest = text.partition("\n")
        state, _, baggage = rest.partition("\n")
        parts = head.split("-")
        if len(parts) != _FIELDS:
            return None
        return cls(parts[1], parts[2], parts[3] == "01", state, baggage)


@dataclass(frozen=True, slots=True)
class EndedSpan:
    """A span that is over.

    Attributes:
        name: the name, one of few.
        context: the place of the span.
        parent_id: the id of the span above; ``NO_SPAN`` for the root of a trace.
        started: nanoseconds since 1970.
        ended: nanoseconds since 1970.
        attributes: facts about the span.
        links: the places of other spans that belong to it.
        error: the reason of a failure; None for a span without one.
    """

    name: str
    context: SpanContext
    parent_id: str
    started: int
    ended: int
    kind: SpanKind = "internal"
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    links: Sequence[SpanContext] = ()
    error: str | None = None


class Tracer(ABC):
    """Samples and exports spans. One instance serves a process; no method may wait."""

    @abstractmethod
    def begin(self, name: str, headers: Mapping[str, str]) -> tuple[SpanContext, str]:
        """Return the context of a new span, and the id of the span above it.

        ``headers`` may hold ``traceparent``, ``tracestate`` and ``baggage``, unchecked. Without them, the span is the
        root of a new trace, and the second value is ``NO_SPAN``.
        """

    @abstractmethod
    def export(self, span: EndedSpan) -> None:
        """Export a span soon. A span that is not sampled comes here, too, if it failed."""


class OpenSpan:
    """A span that is not over yet."""

    __slots__ = ("attributes", "context", "kind", "links", "name", "parent_id", "started")

    def __init__(self, name: str, context: SpanContext, parent_id: str, kind: SpanKind, started: int) -> None:
        self.name = name
        self.context = context
        self.parent_id = parent_id
        self.kind = kind
        self.started = started
        self.attributes: dict[str, AttributeValue] = {}
        self.links: list[SpanContext] = []

    def link(self, stored: str | None, execution: UUID) -> None:
        """Link a sampled span to that of an execution; ``stored`` is the stored context of the execution."""
        context = SpanContext.restored(stored) if self.context.sampled else None
        if context is not None:
            self.links.append(context.child(span_id_of(execution)))

    def end(self, error: str | None = None) -> None:
        """Export the span, unless it is neither sampled nor failed."""
        export(
            EndedSpan(
                self.name,
                self.context,
                self.parent_id,
                self.started,
                time.time_ns(),
                self.kind,
                self.attributes,
                self.links,
                error,
            )
        )


CURRENT: ContextVar[OpenSpan | None] = ContextVar("span", default=None)
"""The span of the running task; None without a tracer, and in background services."""


class _Installed:
    tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """Let all spans of this process go to a tracer; None ends that."""
    _Installed.tracer = tracer


def is_on() -> bool:
    """Return whether there is a tracer."""
    return _Installed.tracer is not None


def begin(name: str, headers: Mapping[str, str], kind: SpanKind) -> OpenSpan | None:
    """Begin a span that may belong to the trace of a caller; None without a tracer."""
    tracer = _Installed.tracer
    if tracer is None:
        return None
    context, parent_id = tracer.begin(name, headers)
    return OpenSpan(name, context, parent_id, kind, time.time_ns())


def export(span: EndedSpan) -> None:
    """Export a span that is sampled or failed."""
    tracer = _Installed.tracer
    if tracer is not None and (span.context.sampled or span.error is not None):
        tracer.export(span)


def context_to_store(name: str) -> str | None:
    """Return the stored context for new work that the running task starts; None without a tracer.

    Work that no call starts begins a trace of its own, in which it is the root.
    """
    tracer = _Installed.tracer
    if tracer is None:
        return None
    span = CURRENT.get()
    if span is not None:
        return span.context.stored()
    return tracer.begin(name, {})[0].child(NO_SPAN).stored()


def context_below(stored: str | None, above: UUID) -> str | None:
    """Return the stored context for work that the execution ``above`` starts; ``stored`` is that of the execution."""
    context = SpanContext.restored(stored)
    return None if context is None else context.child(span_id_of(above)).stored()


def span_id_of(execution: UUID, attempt: int = 0) -> str:
    """Return the id of the span of an execution, or of its attempt: all processes know it before the span exists."""
    return hashlib.blake2b(execution.bytes + attempt.to_bytes(4, "big"), digest_size=8).hexdigest()


def new_span_id() -> str:
    """Return a new id of a span."""
    return f"{random.getrandbits(64) or 1:016x}"
