"""Makes the spans of workflows, agents, tasks and attempts when they end: workers need not send any.

The id of such a span follows from the id of its execution, so that spans below it can be made before. What a history
alone knows (timers, promises, signals) is added by ``server.engine.histories``, which reads ``ENDED``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.tracing import AttributeValue, EndedSpan, SpanContext, export, span_id_of
from server.domain.agent import AgentStatus, AgentStep
from server.domain.submission import WorkflowStep
from server.domain.task import CancelledTask, TaskState, TaskStatus, TaskStep
from server.domain.workflow import WorkflowStatus

MAX_ENDED = 5000
"""The number of ended workflows that wait for their histories to be read; the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class EndedWorkflow:
    """A workflow whose history is to be shown.

    Attributes:
        context: the place of its span.
        started: its start, in nanoseconds since 1970 by the clock of this process.
        ended: its end.
        failed: whether it failed, so that its spans are exported in any case.
    """

    tenant_id: UUID
    id: UUID
    context: SpanContext
    started: int
    ended: int
    failed: bool


ENDED: deque[EndedWorkflow] = deque(maxlen=MAX_ENDED)
"""The ended workflows of this process."""


def workflows_ended(steps: Sequence[WorkflowStep]) -> None:
    """Export the spans of workflows that have ended."""
    now = time.time_ns()
    for step in steps:
        state = step.state
        above = SpanContext.restored(state.trace)
        failed = state.status is WorkflowStatus.FAILED
        if above is None or not (above.sampled or failed):
            continue
        context, started = above.child(span_id_of(state.id)), _before(now, state.age)
        attributes: dict[str, AttributeValue] = {
            "flovyn.tenant_id": str(state.tenant_id),
            "flovyn.workflow_execution_id": str(state.id),
            "flovyn.workflow_kind": state.kind,
            "flovyn.queue": state.queue,
            "flovyn.status": state.status,
        }
        if above.baggage:
            attributes["flovyn.baggage"] = above.baggage
        error = (step.error or "the workflow failed") if failed else None
        name = f"workflow {state.kind}"
        export(EndedSpan(name, context, above.span_id, started, now, attributes=attributes, error=error))
        ENDED.append(EndedWorkflow(state.tenant_id, state.id, context, started, now, failed))


def agents_ended(steps: Sequence[AgentStep]) -> None:
    """Export the spans of agents that have ended."""
    now = time.time_ns()
    for step in steps:
        state = step.state
        above = SpanContext.restored(state.trace)
        if above is None:
            continue
        failed = state.status is AgentStatus.FAILED
        attributes: dict[str, AttributeValue] = {
            "flovyn.tenant_id": str(state.tenant_id),
            "flovyn.agent_execution_id": str(state.id),
            "flovyn.agent_kind": state.kind,
            "flovyn.queue": state.queue,
            "flovyn.status": state.status,
            "flovyn.activations": state.claim_number,
        }
        if above.baggage:
            attributes["flovyn.baggage"] = above.baggage
        error = (step.error or "the agent failed") if failed else None
        context, name = above.child(span_id_of(state.id)), f"agent {state.kind}"
        export(
            EndedSpan(name, context, above.span_id, _before(now, state.age), now, attributes=attributes, error=error)
        )


def tasks_settled(steps: Sequence[TaskStep]) -> None:
    """Export the spans of attempts and tasks that have ended."""
    for step in steps:
        state = step.state
        above = SpanContext.restored(state.trace)
        if above is None:
            continue
        spans = _SpansOfTask(above, state)
        if step.ended is not None:
            failed = step.ended.status is TaskStatus.FAILED
            error = (step.ended.error or "the attempt failed") if failed else None
            spans.attempt(step.ended.attempt, step.ended.status, error)
        if state.status.is_terminal:
            failed = state.status is TaskStatus.FAILED
            spans.task(state.status, (step.error or "the task failed") if failed else None)


def tasks_cancelled(tasks: Sequence[CancelledTask]) -> None:
    """Export the spans of tasks that were cancelled with their workflows or agents."""
    for task in tasks:
        above = SpanContext.restored(task.trace)
        if above is None:
            continue
        spans = _SpansOfTask(above, task)
        if task.was_running:
            spans.attempt(task.attempt, TaskStatus.CANCELLED, None)
        spans.task(TaskStatus.CANCELLED, None)


class _SpansOfTask:
    """Exports spans of a task that end now; ``above`` is the place under which the task is shown."""

    def __init__(self, above: SpanContext, task: TaskState | CancelledTask) -> None:
        self._above = above
        self._state = task
        self._now = time.time_ns()
        self._facts: dict[str, AttributeValue] = {
            "flovyn.tenant_id": str(task.tenant_id),
            "flovyn.task_execution_id": str(task.id),
            "flovyn.task_kind": task.kind,
            "flovyn.queue": task.queue,
        }
        if task.workflow_execution_id is not None:
            self._facts["flovyn.workflow_execution_id"] = str(task.workflow_execution_id)
        if task.agent_execution_id is not None:
            self._facts["flovyn.agent_execution_id"] = str(task.agent_execution_id)

    def attempt(self, number: int, status: TaskStatus, error: str | None) -> None:
        facts = {**self._facts, "flovyn.attempt": number, "flovyn.status": status}
        context = self._above.child(span_id_of(self._state.id, number))
        started = _before(self._now, self._state.attempt_age or 0.0)
        name, above = f"attempt {self._state.kind}", span_id_of(self._state.id)
        export(EndedSpan(name, context, above, started, self._now, attributes=facts, error=error))

    def task(self, status: TaskStatus, error: str | None) -> None:
        facts = {**self._facts, "flovyn.status": status}
        context = self._above.child(span_id_of(self._state.id))
        name, started = f"task {self._state.kind}", _before(self._now, self._state.age)
        export(EndedSpan(name, context, self._above.span_id, started, self._now, attributes=facts, error=error))


def _before(now: int, seconds: float) -> int:
    return now - int(seconds * 1e9)
