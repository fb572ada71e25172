"""The timeline of a workflow as text: one bar for each task, timer, promise and child."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from server.cli.remote.output import fitted, parsed, plain, width_of

_BEGINS: Final = {
    "TASK_SCHEDULED": ("task", "taskExecutionId", "kind"),
    "TIMER_STARTED": ("timer", "timerId", "timerId"),
    "PROMISE_CREATED": ("promise", "promiseId", "promiseName"),
    "CHILD_WORKFLOW_INITIATED": ("child", "childExecutionId", "childWorkflowKind"),
}
_ENDS: Final = {
    "TASK_COMPLETED": ("taskExecutionId", "completed"),
    "TASK_FAILED": ("taskExecutionId", "failed"),
    "TASK_CANCELLED": ("taskExecutionId", "cancelled"),
    "TIMER_FIRED": ("timerId", "fired"),
    "TIMER_CANCELLED": ("timerId", "cancelled"),
    "PROMISE_RESOLVED": ("promiseId", "resolved"),
    "PROMISE_REJECTED": ("promiseId", "rejected"),
    "PROMISE_TIMEOUT": ("promiseId", "timed out"),
    "CHILD_WORKFLOW_COMPLETED": ("childExecutionId", "completed"),
    "CHILD_WORKFLOW_FAILED": ("childExecutionId", "failed"),
}
_NAME_WIDTH: Final = 28
_TEXT_WIDTH: Final = 24
"""Columns for the times and the outcome, after the bar."""


@dataclass(slots=True)
class Span:
    """One thing on the timeline; without an end, it is open."""

    name: str
    start: datetime
    end: datetime | None = None
    outcome: str = "open"


def spans(events: Sequence[dict[str, Any]]) -> list[Span]:
    """Return the spans of the history of a workflow, in the order of the starts; a signal has no duration."""
    found: list[Span] = []
    by_id: dict[str, Span] = {}
    for event in events:
        data, at = event["data"], parsed(event["timestamp"])
        data = data if isinstance(data, dict) else {}
        if event["eventType"] in _BEGINS:
            thing, key, named = _BEGINS[event["eventType"]]
            name = data.get(named) or data.get(key) or ""
            found.append(by_id.setdefault(f"{key} {data.get(key)}", Span(f"{thing} {plain(name)}", at)))
        elif event["eventType"] in _ENDS:
            key, outcome = _ENDS[event["eventType"]]
            if (span := by_id.get(f"{key} {data.get(key)}")) is not None:
                span.end, span.outcome = at, outcome
        elif event["eventType"] == "SIGNAL_RECEIVED":
            found.append(Span(f"signal {plain(data.get('signalName') or '')}", at, at, "received"))
    return found


def timeline(found: Sequence[Span], start: datetime, end: datetime) -> Iterator[str]:
    """Yield the lines of the timeline from ``start`` to ``end``."""
    room = max(10, shutil.get_terminal_size().columns - _NAME_WIDTH - _TEXT_WIDTH - 4)
    whole = max((end - start).total_seconds(), 1e-6)

    def at(moment: datetime) -> int:
        share = (moment - start).total_seconds() / whole
        return min(room - 1, max(0, round(share * (room - 1))))

    for span in found:
        first, last = at(span.start), at(span.end or end)
        body = "│" if span.end == span.start else ("█" if span.end else "▒") * (last - first + 1)
        bar = " " * first + body
        name = fitted(span.name, _NAME_WIDTH)
        taken = duration(((span.end or end) - span.start).total_seconds())
        spaces = " " * (_NAME_WIDTH - width_of(name))
        yield f"{name}{spaces}  {bar:<{room}}  {taken:>9}  {span.outcome}"


def duration(seconds: float) -> str:
    """Return a duration for a person."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    first = next(place for place, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2])
