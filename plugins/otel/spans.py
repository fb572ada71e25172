"""The tracer: samples as the variables of OpenTelemetry say, and gives spans to its SDK when they are over."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision
from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, TraceFlags, TraceState

from core.tracing import MAX_BAGGAGE_BYTES, NO_SPAN, EndedSpan, SpanContext, Tracer

_KINDS = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
    "consumer": SpanKind.CONSUMER,
}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NONE = Context()


class _GivenIds(IdGenerator):
    """Returns the ids of the span that is exported next: the server made them when the span began."""

    def __init__(self) -> None:
        self.trace_id = self.span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class OtelTracer(Tracer):
    """Implements ``core.tracing.Tracer`` with the SDK; its processor exports in a thread of its own."""

    def __init__(self, resource: Resource, version: str) -> None:
        # The sampler and the propagators are those of the variables; the SDK reads them here.
        self._sampler = TracerProvider(shutdown_on_exit=False).sampler
        self._random = RandomIdGenerator()
        self._given = _GivenIds()
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, id_generator=self._given, shutdown_on_exit=False
        )
        self._processor = BatchSpanProcessor(OTLPSpanExporter())
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("flovyn-server", version)

    def begin(self, name: str, headers: Mapping[str, str]) -> tuple[SpanContext, str]:
        """Return the context of a new span and the id of its parent; see ``core.tracing.Tracer``."""
        above, parent_id, baggage = _NONE, NO_SPAN, ""
        trace_id = 0
        if "traceparent" in headers or "baggage" in headers:
            above = propagate.extract(headers, context=_NONE)
            parent = trace.get_current_span(above).get_span_context()
            if parent.is_valid:
                trace_id, parent_id = parent.trace_id, trace.format_span_id(parent.span_id)
            baggage = _short(headers.get("baggage", ""))
        trace_id = trace_id or self._random.generate_trace_id()
        decision = self._sampler.should_sample(above, trace_id, name)
        state = "" if decision.trace_state is None else decision.trace_state.to_header()
        span_id = trace.format_span_id(self._random.generate_span_id())
        sampled = decision.decision is Decision.RECORD_AND_SAMPLE
        return SpanContext(trace.format_trace_id(trace_id), span_id, sampled, state, baggage), parent_id

    def export(self, span: EndedSpan) -> None:
        """Give a span to the SDK."""
        self._given.trace_id, self._given.span_id = int(span.context.trace_id, 16), int(span.context.span_id, 16)
        above = _NONE
        if span.parent_id != NO_SPAN:
            parent = _otel(span.context.child(span.parent_id))
            above = trace.set_span_in_context(NonRecordingSpan(parent), _NONE)
        started = self._tracer.start_span(
            span.name,
            above,
            _KINDS[span.kind],
            dict(span.attributes),
            [Link(_otel(each)) for each in span.links],
            start_time=span.started,
            record_exception=False,
        )
        if span.error is not None:
            started.set_status(trace.StatusCode.ERROR, span.error)
        started.end(span.ended)

    def end(self) -> None:
        """Export what waits, and end the thread; this waits."""
        self._provider.shutdown()


def _otel(context: SpanContext) -> trace.SpanContext:
    """Return a context of the SDK; whatever is exported counts as sampled."""
    return trace.SpanContext(
        int(context.trace_id, 16),
        int(context.span_id, 16),
        is_remote=False,
        trace_flags=_SAMPLED,
        trace_state=TraceState.from_header([context.state]) if context.state else None,
    )


def _short(baggage: str) -> str:
    """Return a baggage that can be kept with an execution; '' for one that is too long or no printable ASCII."""
    return baggage if len(baggage) <= MAX_BAGGAGE_BYTES and baggage.isascii() and baggage.isprintable() else ""
