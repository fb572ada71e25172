"""Counts work after its commit: workflow and task executions, attempts, dispatch, timers and leases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar
from uuid import UUID

from core.metrics import BYTE_BUCKETS, DURATION_BUCKETS, LONG_BUCKETS, OTHER, BoundCounter, BoundHistogram, Metrics
from server.domain.agent import AgentState, NewAgent
from server.domain.task import NewTask, TaskStatus, TaskStep
from server.domain.worker import Category
from server.domain.workflow import NewWorkflow, WorkflowState

Bound = TypeVar("Bound")

WAYS = ("local", "notification", "nudge", "direct", "passed_on")
"""The ways in which a parked poller is woken; see docs/operations.md."""

ACTIVATION_BUCKETS = (1, 2, 3, 5, 10, 20, 50, 100, 1000)


class _ByQueue(Generic[Bound]):
    """The series of some queues; further queues share the series ``other``."""

    def __init__(self, make: Callable[[str], Bound], most: int) -> None:
        self._make = make
        self._most = most
        self._bound: dict[str, Bound] = {}

    def of(self, queue: str) -> Bound:
        bound = self._bound.get(queue)
        if bound is None:
            if len(self._bound) >= self._most:
                queue = OTHER
            bound = self._bound.get(queue)
            if bound is None:
                bound = self._bound[queue] = self._make(queue)
        return bound


class DispatchMeter:
    """The meters of one category of work."""

    def __init__(self, metrics: Metrics, category: Category, queues: int) -> None:
        name = category.lower()
        dispatches = metrics.counter("dispatches_total", "Work that pollers got.", ("category", "way"))
        self._claimed, self._direct = dispatches.of(name, "claim"), dispatches.of(name, "direct")
        wait = metrics.histogram(
            "schedule_to_start_seconds",
            "Time for which work was pending before a poller got it.",
            ("category", "queue"),
            LONG_BUCKETS,
        )
        self._waits: _ByQueue[BoundHistogram] = _ByQueue(lambda queue: wait.of(name, queue), queues)
        polls = metrics.counter("polls_total", "Polls for work.", ("category", "queue"))
        self._polls: _ByQueue[BoundCounter] = _ByQueue(lambda queue: polls.of(name, queue), queues)
        self._parked = metrics.histogram(
            "poll_parked_seconds", "Time for which a poll was parked.", ("category",), DURATION_BUCKETS
        ).of(name)
        woken = metrics.counter("wakeups_total", "Parked pollers that were woken, by the way.", ("category", "way"))
        self._woken = {way: woken.of(name, way) for way in WAYS}
        parked = metrics.gauge("pollers_parked", "Pollers that wait for work.", ("category", "queue"))
        self._pollers = _ByQueue(lambda queue: parked.of(name, queue), queues)
        self._seen: set[str] = set()

    def claimed(self, queue: str, waited: float) -> None:
        """Count work that was claimed after it was pending for ``waited`` seconds."""
        self._claimed.inc()
        self._waits.of(queue).observe(max(waited, 0.0))

    def dispatched(self, queue: str) -> None:
        """Count work that was written as claimed."""
        self._direct.inc()
        self._waits.of(queue).observe(0.0)

    def polled(self, queue: str) -> None:
        """Count a poll."""
        self._polls.of(queue).inc()

    def was_parked(self, seconds: float) -> None:
        """Count the time for which a poll was parked."""
        self._parked.observe(seconds)

    def woken(self, way: str) -> None:
        """Count a wake-up; ``way`` is one of ``WAYS``."""
        self._woken[way].inc()

    def parked(self, pollers: Mapping[str, int]) -> None:
        """Set the numbers of parked pollers by queue."""
        self._seen |= pollers.keys()
        numbers: dict[int, int] = {}
        gauges = {}
        for queue in self._seen:
            gauge = self._pollers.of(queue)
            gauges[id(gauge)] = gauge
            numbers[id(gauge)] = numbers.get(id(gauge), 0) + pollers.get(queue, 0)
        for key, gauge in gauges.items():
            gauge.set(numbers[key])
        if len(self._seen) > 10 * len(gauges) + 100:  # queues of the series ``other`` need not be kept
            self._seen = set(pollers)


class WorkMeter:
    """The meters of all work; ``tenants`` are shown apart."""

    def __init__(self, metrics: Metrics, queues: int, tenants: Sequence[UUID]) -> None:
        self._tenants = {tenant: str(tenant) for tenant in tenants}
        self.dispatch = {category: DispatchMeter(metrics, category, queues) for category in Category}
        self._started = metrics.counter("workflows_started_total", "Workflow executions that started.", ("tenant",))
        self._ended = metrics.counter(
            "workflows_ended_total", "Workflow executions that ended, by status.", ("status", "tenant")
        )
        self._lifetimes = metrics.histogram(
            "workflow_duration_seconds", "Time from a workflow's start to its end.", ("status",), LONG_BUCKETS
        )
        self._histories = metrics.histogram(
            "workflow_history_bytes", "Size of a workflow's history at its end.", buckets=BYTE_BUCKETS
        ).of()
        self._agents_started = metrics.counter("agents_started_total", "Agents that were started.", ("tenant",))
        self._agents_ended = metrics.counter(
            "agents_ended_total", "Agents that ended, by status.", ("status", "tenant")
        )
        self._agent_lifetimes = metrics.histogram(
            "agent_duration_seconds", "Time from an agent's start to its end.", ("status",), LONG_BUCKETS
        )
        self._agent_activations = metrics.histogram(
            "agent_activations", "Activations of an agent until its end.", buckets=ACTIVATION_BUCKETS
        ).of()
        self._created = metrics.counter("tasks_created_total", "Task executions that were created.", ("tenant",))
        self._finished = metrics.counter(
            "tasks_ended_total", "Task executions that ended, by status.", ("status", "tenant")
        )
        self._task_times = metrics.histogram(
            "task_duration_seconds", "Time from a task's creation to its end.", ("status",), LONG_BUCKETS
        )
        self._attempts = metrics.histogram(
            "task_attempt_duration_seconds", "Time from the claim of an attempt to its end.", ("status",), LONG_BUCKETS
        )
        self._retries = metrics.counter("task_retries_total", "Attempts that are followed by another one.").of()
        self._timeouts = metrics.counter(
            "task_timeouts_total", "Tasks whose deadline over all attempts had passed."
        ).of()
        self._expired = metrics.counter(
            "claims_expired_total", "Claims that the server ended, by category and reason.", ("category", "reason")
        )
        self._lateness = metrics.histogram(
            "timer_lateness_seconds", "Time from the due time of a timer to its firing.", buckets=DURATION_BUCKETS
        ).of()

    def workflows_started(self, workflows: Sequence[NewWorkflow]) -> None:
        """Count inserted workflows."""
        dispatch = self.dispatch[Category.WORKFLOW]
        for each in workflows:
            self._started.of(self._tenants.get(each.tenant_id, "")).inc()
            if each.claim is not None:
                dispatch.dispatched(each.queue)

    def workflows_dispatched(self, queues: Sequence[str]) -> None:
        """Count workflows that were claimed by parked pollers when they became pending; one queue for each."""
        dispatch = self.dispatch[Category.WORKFLOW]
        for queue in queues:
            dispatch.dispatched(queue)

    def workflows_ended(self, states: Sequence[WorkflowState]) -> None:
        """Count ended workflows."""
        for each in states:
            self._ended.of(each.status, self._tenants.get(each.tenant_id, "")).inc()
            self._lifetimes.of(each.status).observe(each.age)
            self._histories.observe(each.history_bytes)

    def agents_started(self, agents: Sequence[NewAgent]) -> None:
        """Count inserted agents."""
        dispatch = self.dispatch[Category.AGENT]
        for each in agents:
            self._agents_started.of(self._tenants.get(each.tenant_id, "")).inc()
            if each.claim is not None:
                dispatch.dispatched(each.queue)

    def agents_ended(self, states: Sequence[AgentState]) -> None:
        """Count ended agents."""
        for each in states:
            self._agents_ended.of(each.status, self._tenants.get(each.tenant_id, "")).inc()
            self._agent_lifetimes.of(each.status).observe(each.age)
            self._agent_activations.observe(each.claim_number)

    def tasks_created(self, tasks: Sequence[NewTask]) -> None:
        """Count inserted tasks."""
        dispatch = self.dispatch[Category.TASK]
        for each in tasks:
            self._created.of(self._tenants.get(each.tenant_id, "")).inc()
            if each.claim is not None:
                dispatch.dispatched(each.queue)

    def tasks_settled(self, steps: Sequence[TaskStep]) -> None:
        """Count the ends of attempts and tasks."""
        for each in steps:
            state = each.state
            if each.ended is not None and state.attempt_age is not None:
                self._attempts.of(each.ended.status).observe(state.attempt_age)
            if state.status is TaskStatus.PENDING:
                self._retries.inc()
            elif state.status.is_terminal:
                self._finished.of(state.status, self._tenants.get(state.tenant_id, "")).inc()
                self._task_times.of(state.status).observe(state.age)

    def tasks_cancelled(self, number: int) -> None:
        """Count tasks that were cancelled because their workflows or agents ended."""
        if number > 0:
            self._finished.of(TaskStatus.CANCELLED, "").inc(number)

    def claimed(self, category: Category, waits: Sequence[tuple[str, float]]) -> None:
        """Count claimed work: its queue, and the seconds for which it was pending."""
        dispatch = self.dispatch[category]
        for queue, waited in waits:
            dispatch.claimed(queue, waited)

    def expired(self, category: Category, reasons: Sequence[str]) -> None:
        """Count claims that the server ended, by ``lease`` or by ``silence`` of the worker."""
        for reason in reasons:
            self._expired.of(category.lower(), reason).inc()

    def deadlines_passed(self, number: int) -> None:
        """Count tasks whose deadline has passed."""
        self._timeouts.inc(number)

    def timers_fired(self, lateness: Sequence[float]) -> None:
        """Count fired timers by their lateness in seconds."""
        for each in lateness:
            self._lateness.observe(max(each, 0.0))
