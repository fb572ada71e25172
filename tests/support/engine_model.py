"""A small model of the engine: the state that a workflow must have after any sequence of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from hypothesis import strategies as st

from core.payload import Json
from server.domain.cancellation import CancelOutcome
from server.domain.submission import MAX_REPLAYS, Command, SubmissionOutcome
from server.domain.task import TaskOutcome
from server.engine.submission.operations import RecordOperation
from server.engine.submission.promises import CreatePromise, ResolvePromiseCommand
from server.engine.submission.tasks import ScheduleTask
from server.engine.submission.timers import CancelTimer, StartTimer

ONE = Json("1")
ENDS = ("COMPLETED", "FAILED", "CANCELLED")
CANCELLATION = ["CANCELLATION_REQUESTED", "WORKFLOW_EXECUTION_FAILED", "WORKFLOW_CANCELLED"]


_TERMINAL_EVENT = {
    SubmissionOutcome.COMPLETED: "WORKFLOW_COMPLETED",
    SubmissionOutcome.FAILED: "WORKFLOW_EXECUTION_FAILED",
    SubmissionOutcome.CANCELLED: "WORKFLOW_CANCELLED",
}


def is_due(timer: str) -> bool:
    """Whether a timer of this name is due at once, and not in an hour."""
    return timer in ("t1", "t3")


@dataclass
class Task:
    """The state that a task must have."""

    id: UUID
    retries: int
    status: str = "PENDING"
    attempt: int = 0

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in ("COMPLETED", "FAILED", "CANCELLED")


@dataclass
class Workflow:
    """The state that a workflow must have."""

    id: UUID
    status: str = "PENDING"
    events: list[str] = field(default_factory=lambda: ["WORKFLOW_STARTED"])
    unseen: bool = False
    """Whether an event from outside reached it since its claim."""
    woken: bool = False
    """Whether an event from outside has ever reached it."""
    blind: int = 0
    """The number of suspensions in a row that repeated commands and were replayed."""
    timers: dict[str, str] = field(default_factory=dict)
    promises: list[tuple[str, str]] = field(default_factory=list)
    tasks: dict[UUID, Task] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDS

    def deliver(self, event: str) -> None:
        """Deliver an event from outside, which wakes a WAITING workflow."""
        if not self.over:
            self.events.append(event)
            self.unseen = self.woken = True
            if self.status == "WAITING":
                self.status = "PENDING"

    def submit(self, acts: Sequence[Act], outcome: SubmissionOutcome, *, with_end: bool) -> None:
        """Apply a submission; ``with_end`` says that it has a terminal command."""
        if self.status not in ("RUNNING", "CANCELLING"):
            self.status = "PENDING" if self.status == "WAITING" else self.status  # the sender may have been the holder
            return
        if self.status == "CANCELLING" and not (outcome is SubmissionOutcome.COMPLETED and with_end):
            self.end("CANCELLED", CANCELLATION)
            return
        is_blind = (
            self.woken and self.blind < MAX_REPLAYS and any(act.begins in {*self.timers, *self.tasks} for act in acts)
        )
        for act in acts:
            act.model(self)
        if outcome is SubmissionOutcome.SUSPENDED and self.unseen:
            self.status = "PENDING"
        elif outcome is SubmissionOutcome.SUSPENDED:
            self.status = "PENDING" if is_blind else "WAITING"
        elif outcome in _TERMINAL_EVENT:
            self.end(outcome.value, [_TERMINAL_EVENT[outcome]])
        self.blind = self.blind + 1 if outcome is SubmissionOutcome.SUSPENDED and is_blind and not self.unseen else 0

    def cancel(self) -> CancelOutcome:
        """Apply a request to cancel."""
        if self.over:
            return CancelOutcome.CANCELLED if self.status == "CANCELLED" else CancelOutcome.ALREADY_TERMINAL
        if self.status in ("RUNNING", "CANCELLING"):
            self.status = "CANCELLING"
            return CancelOutcome.CANCELLING
        self.end("CANCELLED", CANCELLATION)
        return CancelOutcome.CANCELLED

    def report(self, task: Task, outcome: TaskOutcome) -> bool:
        """Apply a report on a task of the workflow; return whether it is allowed."""
        if task.status == outcome:
            return True  # a repetition
        if task.over or (task.attempt == 0 and outcome is not TaskOutcome.CANCELLED):
            return False
        if outcome is TaskOutcome.FAILED and task.status == "PENDING":
            return True  # the attempt is counted as failed already
        if outcome is TaskOutcome.FAILED and task.attempt <= task.retries:
            task.status = "PENDING"
            return True
        task.status = outcome.value
        self.deliver("TASK_COMPLETED" if outcome is TaskOutcome.COMPLETED else "TASK_FAILED")
        return True

    def fire(self) -> None:
        """Fire the due timers."""
        for name, state in self.timers.items():
            if state == "ACTIVE" and is_due(name):
                self.timers[name] = "FIRED"
                self.deliver("TIMER_FIRED")

    def end(self, status: str, events: Sequence[str]) -> None:
        """End the workflow."""
        self.events += events
        self.status = status
        self.timers = {name: "ABANDONED" if state == "ACTIVE" else state for name, state in self.timers.items()}
        self.promises = [(name, "ABANDONED" if state == "PENDING" else state) for name, state in self.promises]
        for task in self.tasks.values():
            if status == "CANCELLED" and not task.over:
                task.status = "CANCELLED"

    def settle(self, name: str, status: str) -> bool:
        """Settle the oldest pending promise of the name; return whether there was one."""
        if (name, "PENDING") not in self.promises:
            return False
        self.promises[self.promises.index((name, "PENDING"))] = (name, status)
        return True


@dataclass(frozen=True)
class Act:
    """One command, and its effect on the model."""

    command: Command
    model: Callable[[Workflow], None]
    begins: str | UUID | None = None
    """The timer or the task that the command begins."""


def _operation(_number: int) -> Act:
    return Act(RecordOperation("op", ONE), lambda workflow: workflow.events.append("OPERATION_COMPLETED"))


def _timer(number: int) -> Act:
    name = f"t{number}"

    def model(workflow: Workflow) -> None:
        if name not in workflow.timers:
            workflow.timers[name] = "ACTIVE"
            workflow.events.append("TIMER_STARTED")

    return Act(StartTimer(name, 0 if is_due(name) else 3_600_000), model, name)


def _cancel_timer(number: int) -> Act:
    name = f"t{number}"

    def model(workflow: Workflow) -> None:
        if workflow.timers.get(name) == "ACTIVE":
            workflow.timers[name] = "CANCELLED"
            workflow.events.append("TIMER_CANCELLED")

    return Act(CancelTimer(name), model)


def _promise(number: int) -> Act:
    def model(workflow: Workflow) -> None:
        workflow.promises.append((f"p{number}", "PENDING"))
        workflow.events.append("PROMISE_CREATED")

    return Act(CreatePromise(f"p{number}", None), model)


def _resolve(number: int) -> Act:
    def model(workflow: Workflow) -> None:
        if workflow.settle(f"p{number}", "RESOLVED"):
            workflow.events.append("PROMISE_RESOLVED")

    return Act(ResolvePromiseCommand(f"p{number}", ONE), model)


def _task(number: int) -> Act:
    task_id = uuid4()

    def model(workflow: Workflow) -> None:
        if task_id not in workflow.tasks:
            workflow.tasks[task_id] = Task(task_id, retries=number)
            workflow.events.append("TASK_SCHEDULED")

    return Act(ScheduleTask(task_id, "t", ONE, None, number, None, 0), model, task_id)


def _made(drawn: list[tuple[Callable[[int], Act], int, bool]]) -> list[Act]:
    """Return the drawn acts, some of them twice, as from a worker that lost an answer."""
    return [act for make, number, twice in drawn for act in [make(number)] * (1 + twice)]


_MAKERS = (_operation, _timer, _cancel_timer, _promise, _resolve, _task)
ACTS = st.lists(st.tuples(st.sampled_from(_MAKERS), st.integers(0, 3), st.booleans()), max_size=5).map(_made)
"""The commands that a worker may submit."""
