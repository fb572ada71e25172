"""Execution spans that workers report: checked and counted, but not stored. A tracer exports them (``core.tracing``).

Workers report spans as best effort, so that an invalid span is left out of the count and causes no error.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from core.errors import InvalidInput
from core.limits import MAX_SPANS
from core.tracing import EndedSpan, SpanContext, export, span_id_of
from server.storage.repositories import Repositories

SPAN_TYPES = frozenset(
    {"workflow.execute", "workflow.replay", "task.execute", "task.retry", "activity.execute", "run.execute"}
)

MAX_ATTRIBUTES = 64
"""The number of attributes of a span that are exported."""

MAX_TIME_NS = 2**63 - 1
"""The latest time, in nanoseconds since 1970."""

_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class ReportedSpan:
    """A span of a worker.

    Attributes:
        type: one of ``SPAN_TYPES``, or another text.
        workflow_id: its workflow; None for a span without a workflow.
        task_id: its task, if it has one.
        span_id: the worker's id of the span; only one of 16 hexadecimal digits is exported as it is. Another one
            becomes an id that follows from the span: a report that is sent again makes no second span.
        parent_id: the id of the span above; the server sets one if it is none.
        started: nanoseconds since 1970.
        ended: nanoseconds since 1970.
        error: the reason of a failure.
    """

    type: str
    workflow_id: UUID | None
    task_id: UUID | None = None
    span_id: str = ""
    parent_id: str = ""
    started: int = 0
    ended: int = 0
    error: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


class Spans:
    """The call about spans."""

    def __init__(self, storage: Repositories) -> None:
        self._storage = storage
        self.counted: Counter[str] = Counter()
        """Accepted spans by type, since the process began."""

    async def report(self, tenant_id: UUID, spans: Sequence[ReportedSpan]) -> int:
        """Count the spans of a known type and of one of the tenant's workflows; return their number.

        Raises:
            InvalidInput: there are more than ``MAX_SPANS`` spans.
        """
        if len(spans) > MAX_SPANS:
            raise InvalidInput(f"spans has {len(spans)} entries; at most {MAX_SPANS} are allowed in one call")
        keys = list({(tenant_id, span.workflow_id) for span in spans if span.workflow_id is not None})
        async with self._storage.database.connection() as connection:
            traces = await self._storage.workflows.trace_contexts(connection, keys) if keys else {}
        accepted = [
            (span, span.workflow_id, traces[tenant_id, span.workflow_id])
            for span in spans
            if span.type in SPAN_TYPES and span.workflow_id is not None and (tenant_id, span.workflow_id) in traces
        ]
        self.counted.update(span.type for span, _, _ in accepted)
        for span, workflow_id, trace in accepted:
            _export(span, workflow_id, SpanContext.restored(trace))
        return len(accepted)


def _export(span: ReportedSpan, workflow_id: UUID, trace: SpanContext | None) -> None:
    """Export a span below its task, or else below its workflow, unless it names the span above itself."""
    if trace is None or not (trace.sampled or span.error is not None):
        return
    above = span.parent_id if _ID.fullmatch(span.parent_id) else span_id_of(span.task_id or workflow_id)
    context = trace.child(span.span_id if _ID.fullmatch(span.span_id) else _id_of(span))
    attributes = {
        **dict(islice(span.attributes.items(), MAX_ATTRIBUTES)),
        "flovyn.workflow_execution_id": str(workflow_id),
    }
    if span.task_id is not None:
        attributes["flovyn.task_execution_id"] = str(span.task_id)
    started = min(max(span.started, 0), MAX_TIME_NS)
    ended = min(max(span.ended, started), MAX_TIME_NS)
    export(EndedSpan(span.type, context, above, started, ended, "consumer", attributes, error=span.error))


def _id_of(span: ReportedSpan) -> str:
    facts = (span.type, span.workflow_id, span.task_id, span.span_id, span.started, span.ended)
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()
