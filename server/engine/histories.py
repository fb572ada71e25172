"""Makes spans of the timers, promises and signals of ended workflows, from their histories."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from core.errors import FlovynError
from core.tracing import AttributeValue, EndedSpan, SpanContext, export
from server.domain.workflow_event import DatedEvent, EventType
from server.observability.run_spans import ENDED, EndedWorkflow
from server.storage.workflows import WorkflowRepository

PAUSE_S = 0.2
"""The time between two looks for ended workflows, in seconds."""

AT_ONCE = 50
"""The number of histories that are read by one statement."""

_BEGINS = {EventType.TIMER_STARTED: "timer", EventType.PROMISE_CREATED: "promise"}
_ENDS = {
    EventType.TIMER_FIRED: ("timer", "fired"),
    EventType.TIMER_CANCELLED: ("timer", "cancelled"),
    EventType.PROMISE_RESOLVED: ("promise", "resolved"),
    EventType.PROMISE_REJECTED: ("promise", "rejected"),
    EventType.PROMISE_TIMEOUT: ("promise", "timed out"),
}
_TYPES = (EventType.WORKFLOW_STARTED, EventType.SIGNAL_RECEIVED, *_BEGINS, *_ENDS)
_TEXT = r'"%s": ?("(?:[^"\\]|\\.)*")'
_ID = re.compile(_TEXT % "(?:timerId|promiseId|signalName)")
_NAME = re.compile(_TEXT % "promiseName")

_log = logging.getLogger(__name__)


class HistorySpans:
    """Exports the spans of the workflows that ``run_spans.ENDED`` lists; a service."""

    name = "history spans"

    def __init__(self, workflows: WorkflowRepository) -> None:
        self._workflows = workflows

    async def run(self) -> None:
        """Export until cancelled."""
        while True:
            await asyncio.sleep(PAUSE_S)
            await self.flush()

    async def flush(self) -> None:
        """Export what waits; without the database, these spans are lost."""
        while ENDED:
            batch = [ENDED.popleft() for _ in range(min(AT_ONCE, len(ENDED)))]
            try:
                histories = await self._workflows.dated_histories([(each.tenant_id, each.id) for each in batch], _TYPES)
            except FlovynError as error:
                _log.warning("the traces of %d workflows lack timers, promises and signals: %s", len(batch), error)
                continue
            for each in batch:
                for span in spans_of(each, histories.get((each.tenant_id, each.id), [])):
                    export(span)


def spans_of(workflow: EndedWorkflow, events: Sequence[DatedEvent]) -> Iterator[EndedSpan]:
    """Yield the spans of a workflow's timers, promises and signals; the first event is its start."""
    if not events:
        return
    origin = events[0].created_at
    place = (
        workflow.context
        if not workflow.failed
        else SpanContext(
            workflow.context.trace_id, workflow.context.span_id, sampled=True, state=workflow.context.state
        )
    )
    begun: dict[tuple[str, str], tuple[int, str]] = {}

    def moment(event: DatedEvent) -> int:
        return workflow.started + _nanoseconds(origin, event.created_at)

    def span(kind: str, name: str, started: int, ended: int, outcome: str) -> EndedSpan:
        attributes: dict[str, AttributeValue] = {f"flovyn.{kind}": name, "flovyn.outcome": outcome}
        attributes["flovyn.workflow_execution_id"] = str(workflow.id)
        return EndedSpan(kind, place.child(), place.span_id, started, ended, "internal", attributes)

    for event in events:
        key = _text(_ID, event.head)
        if event.type == EventType.SIGNAL_RECEIVED:
            yield span("signal", key, moment(event), moment(event), "received")
        elif event.type in _BEGINS:
            kind = _BEGINS[EventType(event.type)]
            begun[kind, key] = moment(event), _text(_NAME, event.head) or key
        elif event.type in _ENDS:
            kind, outcome = _ENDS[EventType(event.type)]
            started, name = begun.pop((kind, key), (moment(event), key))
            yield span(kind, name, started, moment(event), outcome)
    for (kind, _), (started, name) in begun.items():
        yield span(kind, name, started, workflow.ended, "open")


def _text(pattern: re.Pattern[str], head: str) -> str:
    found = pattern.search(head)
    return "" if found is None else str(json.loads(found[1]))


def _nanoseconds(origin: datetime, moment: datetime) -> int:
    return int((moment - origin).total_seconds() * 1e9)
