"""Contexts of spans are stored and restored unchanged, and ids follow from executions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

import pytest

from core import tracing
from core.tracing import CURRENT, NO_SPAN, EndedSpan, OpenSpan, SpanContext, Tracer

CONTEXT = SpanContext("a" * 32, "b" * 16, sampled=True, state="k=v", baggage="x=1,y=2")
EXECUTION = UUID(int=7)


class _Collecting(Tracer):
    def __init__(self) -> None:
        self.spans: list[EndedSpan] = []

    def begin(self, name: str, headers: Mapping[str, str]) -> tuple[SpanContext, str]:
        return CONTEXT, NO_SPAN

    def export(self, span: EndedSpan) -> None:
        self.spans.append(span)


@pytest.fixture
def tracer() -> Iterator[_Collecting]:
    """Let spans of the process go to a list."""
    made = _Collecting()
    tracing.install(made)
    yield made
    tracing.install(None)


@pytest.mark.parametrize(
    "context",
    [
        CONTEXT,
        SpanContext("a" * 32, NO_SPAN, sampled=False),
        SpanContext("a" * 32, "b" * 16, sampled=True, baggage="x=1"),
        SpanContext("a" * 32, "b" * 16, sampled=True, state="k=v"),
    ],
)
def test_a_stored_context_is_restored(context: SpanContext) -> None:
    """Whichever of its parts are empty."""
    assert SpanContext.restored(context.stored()) == context


@pytest.mark.parametrize("text", [None, "", "nonsense", "00-a-b"])
def test_a_text_that_is_no_context_is_none(text: str | None) -> None:
    """A text of another version of the server is no error."""
    assert SpanContext.restored(text) is None


def test_the_id_of_a_span_follows_from_its_execution() -> None:
    """Each process computes the same id; an attempt has another one."""
    assert tracing.span_id_of(EXECUTION) == tracing.span_id_of(UUID(int=7))
    assert len({tracing.span_id_of(EXECUTION, attempt) for attempt in range(3)}) == 3
    assert tracing.context_below(CONTEXT.stored(), EXECUTION) == CONTEXT.child(tracing.span_id_of(EXECUTION)).stored()


def test_without_a_tracer_no_span_begins() -> None:
    """No context is stored with new work, either."""
    assert tracing.begin("call", {}, "server") is None
    assert tracing.context_to_store("workflow") is None


def test_work_that_no_call_starts_is_a_root(tracer: _Collecting) -> None:
    """Work that a call starts is below the call."""
    assert SpanContext.restored(tracing.context_to_store("workflow")) == CONTEXT.child(NO_SPAN)
    token = CURRENT.set(OpenSpan("call", CONTEXT, NO_SPAN, "server", 0))
    try:
        assert tracing.context_to_store("workflow") == CONTEXT.stored()
    finally:
        CURRENT.reset(token)
    assert tracer.spans == []


@pytest.mark.parametrize(("sampled", "error", "exported"), [(True, None, 1), (False, None, 0), (False, "broken", 1)])
def test_only_sampled_and_failed_spans_are_exported(
    tracer: _Collecting, *, sampled: bool, error: str | None, exported: int
) -> None:
    """A failure is exported although its trace is not."""
    OpenSpan("call", SpanContext("a" * 32, "b" * 16, sampled), NO_SPAN, "server", 0).end(error)
    assert len(tracer.spans) == exported
