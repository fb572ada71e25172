"""A small model of the engine: what a workflow must look like after whatever has happened to it."""

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
    """A task as it must be."""

    id: UUID
    retries: int
    status: str = "PENDING"
    attempt: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.status in ("COMPLETED", "FAILED", "CANCELLED")


@dataclass
class Run:
    """A workflow as it must be."""

    id: UUID
    status: str = "PENDING"
    events: list[str] = field(default_factory=lambda: ["WORKFLOW_STARTED"])
    unseen: bool = False
    """Whether something reached it since it was claimed."""
    woken: bool = False
    """Whether something has ever reached it."""
    blind: int = 0
    """How often in a row it was suspended by a worker that had begun the same things before, and was replayed."""
    timers: dict[str, str] = field(default_factory=dict)
    promises: list[tuple[str, str]] = field(default_factory=list)
    tasks: dict[UUID, Task] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.status in ENDS

    def hear(self, event: str) -> None:
        """Take an event from outside, which wakes a workflow that waits."""
        if not self.over:
            self.events.append(event)
            self.unseen = self.woken = True
            if self.status == "WAITING":
                self.status = "PENDING"

    def take(self, acts: Sequence[Act], outcome: SubmissionOutcome, *, with_end: bool) -> None:
        """Take a worker's submission; ``with_end`` tells whether the command of its end was among the commands."""
        if self.status not in ("RUNNING", "CANCELLING"):
            self.status = "PENDING" if self.status == "WAITING" else self.status  # it may have been the holder's
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
        """Take a request to cancel."""
        if self.over:
            return CancelOutcome.CANCELLED if self.status == "CANCELLED" else CancelOutcome.ALREADY_TERMINAL
        if self.status in ("RUNNING", "CANCELLING"):
            self.status = "CANCELLING"
            return CancelOutcome.CANCELLING
        self.end("CANCELLED", CANCELLATION)
        return CancelOutcome.CANCELLED

    def report(self, task: Task, outcome: TaskOutcome) -> bool:
        """Take a report on a task of the workflow; tell whether it is allowed."""
        if task.status == outcome:
            return True  # known already
        if task.over or (task.attempt == 0 and outcome is not TaskOutcome.CANCELLED):
            return False
        if outcome is TaskOutcome.FAILED and task.status == "PENDING":
            return True  # counted already
        if outcome is TaskOutcome.FAILED and task.attempt <= task.retries:
            task.status = "PENDING"
            return True
        task.status = outcome.value
        self.hear("TASK_COMPLETED" if outcome is TaskOutcome.COMPLETED else "TASK_FAILED")
        return True

    def fire(self) -> None:
        """Let those timers fire that are due."""
        for name, state in self.timers.items():
            if state == "ACTIVE" and is_due(name):
                self.timers[name] = "FIRED"
                self.hear("TIMER_FIRED")

    def end(self, status: str, events: Sequence[str]) -> None:
        """End."""
        self.events += events
        self.status = status
        self.timers = {name: "ABANDONED" if state == "ACTIVE" else state for name, state in self.timers.items()}
        self.promises = [(name, "ABANDONED" if state == "PENDING" else state) for name, state in self.promises]
        for task in self.tasks.values():
            if status == "CANCELLED" and not task.over:
                task.status = "CANCELLED"

    def settle(self, name: str, status: str) -> bool:
        """Settle the oldest promise of that name that is pending; tell whether there was one."""
        if (name, "PENDING") not in self.promises:
            return False
        self.promises[self.promises.index((name, "PENDING"))] = (name, status)
        return True


@dataclass(frozen=True)
class Act:
    """What one command does: to the engine, and to the model."""

    command: Command
    model: Callable[[Run], None]
    begins: str | UUID | None = None
    """The timer or the task that the command begins."""


def _operation(_number: int) -> Act:
    return Act(RecordOperation("op", ONE), lambda workflow: workflow.events.append("OPERATION_COMPLETED"))


def _timer(number: int) -> Act:
    name = f"t{number}"

    def model(workflow: Run) -> None:
        if name not in workflow.timers:
            workflow.timers[name] = "ACTIVE"
            workflow.events.append("TIMER_STARTED")

    return Act(StartTimer(name, 0 if is_due(name) else 3_600_000), model, name)


def _cancel_timer(number: int) -> Act:
    name = f"t{number}"

    def model(workflow: Run) -> None:
        if workflow.timers.get(name) == "ACTIVE":
            workflow.timers[name] = "CANCELLED"
            workflow.events.append("TIMER_CANCELLED")

    return Act(CancelTimer(name), model)


def _promise(number: int) -> Act:
    def model(workflow: Run) -> None:
        workflow.promises.append((f"p{number}", "PENDING"))
        workflow.events.append("PROMISE_CREATED")

    return Act(CreatePromise(f"p{number}", None), model)


def _resolve(number: int) -> Act:
    def model(workflow: Run) -> None:
        if workflow.settle(f"p{number}", "RESOLVED"):
            workflow.events.append("PROMISE_RESOLVED")

    return Act(ResolvePromiseCommand(f"p{number}", ONE), model)


def _task(number: int) -> Act:
    task_id = uuid4()

    def model(workflow: Run) -> None:
        if task_id not in workflow.tasks:
            workflow.tasks[task_id] = Task(task_id, retries=number)
            workflow.events.append("TASK_SCHEDULED")

    return Act(ScheduleTask(task_id, "t", ONE, None, number, None, 0), model, task_id)


def _made(drawn: list[tuple[Callable[[int], Act], int, bool]]) -> list[Act]:
    """Return what was drawn; some commands come twice, as from workers that lost a reply."""
    return [act for make, number, twice in drawn for act in [make(number)] * (1 + twice)]


_MAKERS = (_operation, _timer, _cancel_timer, _promise, _resolve, _task)
ACTS = st.lists(st.tuples(st.sampled_from(_MAKERS), st.integers(0, 3), st.booleans()), max_size=5).map(_made)
"""What a worker may submit."""
