"""The engine against a small model of it, driven by Hypothesis: whatever happens in whatever order, both agree.

The engine runs on PostgreSQL without the server around it: nothing happens but what the rules do. Every example
has a tenant of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.errors import WrongState
from core.launchers import DEFAULT_QUEUE, WorkflowLaunch
from server.domain.cancellation import CancellationRequest
from server.domain.claim import Claim
from server.domain.promise import PromiseRef, rejected, resolved
from server.domain.submission import Command, SubmissionOutcome
from server.domain.task import TaskOutcome, TaskReport, TaskSlot
from server.domain.workflow import PollSlot
from server.engine.submission.commands import submission
from server.engine.submission.endings import Cancel, Complete, Fail
from server.engine.workflows.signals import Signal
from tests.support.engine_model import ACTS, ENDS, ONE, Act, Task, Workflow
from tests.support.engine_rig import Rig
from tests.support.repetitions import times

END_COMMANDS: dict[SubmissionOutcome, Command] = {
    SubmissionOutcome.COMPLETED: Complete(ONE),
    SubmissionOutcome.FAILED: Fail("boom", "", "ERROR"),
    SubmissionOutcome.CANCELLED: Cancel("enough"),
}
TERMINAL = ("WORKFLOW_COMPLETED", "WORKFLOW_EXECUTION_FAILED", "WORKFLOW_CANCELLED")
MEANWHILE = ("nothing", "nothing", "signal", "cancel")
OUTCOMES = (SubmissionOutcome.SUSPENDED, SubmissionOutcome.SUSPENDED, *SubmissionOutcome)
REPORTS = (TaskOutcome.COMPLETED, TaskOutcome.FAILED, TaskOutcome.CANCELLED)

WORKFLOWS = """
    SELECT r.id, r.status, r.last_sequence, (
        SELECT array_agg(ARRAY[e.sequence::text, e.event_type] ORDER BY e.sequence)
        FROM workflow_event AS e WHERE e.tenant_id = r.tenant_id AND e.workflow_execution_id = r.id
    )
    FROM workflow_execution AS r WHERE r.tenant_id = %(tenant)s"""
TIMERS = "SELECT workflow_execution_id, timer_id, status FROM timer WHERE tenant_id = %(tenant)s"
PROMISES = "SELECT workflow_execution_id, name, status FROM promise WHERE tenant_id = %(tenant)s ORDER BY ordinal"
TASKS = "SELECT workflow_execution_id, id, status, execution_count FROM task_execution WHERE tenant_id = %(tenant)s"


class EngineMachine(RuleBasedStateMachine):
    """Clients, workers and time, doing one thing after the other."""

    rig: ClassVar[Rig]

    def __init__(self) -> None:
        super().__init__()
        self.tenant = uuid4()
        self.rig.rows(
            "INSERT INTO tenant (id, slug, name) VALUES (%(tenant)s, %(tenant)s::text, 'T') RETURNING 1", self.tenant
        )
        self.workflows: list[Workflow] = []

    def _allowed(self, work: Awaitable[Any]) -> bool:
        try:
            self.rig.do(work)
        except WrongState:
            return False
        return True

    def _tasks(self) -> list[tuple[Workflow, Task]]:
        return [(workflow, task) for workflow in self.workflows for task in workflow.tasks.values()]

    @rule()
    def start(self) -> None:
        """Start a workflow."""
        launched = self.rig.do(self.rig.engine.workflows.start(WorkflowLaunch(self.tenant, "k")))
        self.workflows.append(Workflow(launched.id))

    def _poll(self) -> Workflow | None:
        """Poll for a workflow: the oldest that is pending."""
        claimed = self.rig.do(self.rig.engine.workflows.poll(PollSlot(self.tenant, DEFAULT_QUEUE, Claim("w")), 0))
        expected = next((workflow for workflow in self.workflows if workflow.status == "PENDING"), None)
        assert (claimed and claimed.id) == (expected and expected.id)
        if expected is not None:
            assert claimed.last_sequence == len(expected.events)
            expected.status, expected.unseen = "RUNNING", False
        return expected

    def _submit(self, workflow: Workflow, acts: list[Act], outcome: SubmissionOutcome, *, with_end: bool) -> None:
        commands = [act.command for act in acts]
        if with_end and outcome in END_COMMANDS:
            commands.append(END_COMMANDS[outcome])
        self.rig.do(self.rig.engine.workflows.submit(submission(self.tenant, workflow.id, commands, outcome)))
        workflow.submit(acts, outcome, with_end=with_end)

    def _signal(self, workflow: Workflow) -> None:
        assert (
            self._allowed(self.rig.engine.workflows.signal(Signal(self.tenant, workflow.id, "s", ONE))) != workflow.over
        )
        workflow.deliver("SIGNAL_RECEIVED")

    def _cancel(self, workflow: Workflow) -> None:
        request = CancellationRequest(self.tenant, workflow.id, "enough", "test")
        assert self.rig.do(self.rig.engine.workflows.cancel(request)).outcome is workflow.cancel()

    @rule(acts=ACTS, meanwhile=st.sampled_from(MEANWHILE), outcome=st.sampled_from(OUTCOMES), with_end=st.booleans())
    def activate(self, acts: list[Act], meanwhile: str, outcome: SubmissionOutcome, with_end: bool) -> None:  # noqa: FBT001
        """Poll for a workflow and submit to it; it may get a signal, or be cancelled, meanwhile. Where there is none, start."""
        workflow = self._poll()
        if workflow is None:
            self.start()
            return
        if meanwhile == "signal":
            self._signal(workflow)
        elif meanwhile == "cancel":
            self._cancel(workflow)
        self._submit(workflow, acts, outcome, with_end=with_end)

    @precondition(lambda self: self.workflows)
    @rule(data=st.data(), acts=ACTS, outcome=st.sampled_from(SubmissionOutcome), with_end=st.booleans())
    def submit(self, data: st.DataObject, acts: list[Act], outcome: SubmissionOutcome, with_end: bool) -> None:  # noqa: FBT001
        """Submit to any workflow, late, twice, or never claimed."""
        self._submit(data.draw(st.sampled_from(self.workflows)), acts, outcome, with_end=with_end)

    @rule()
    def poll(self) -> None:
        """Claim a workflow and do not submit yet."""
        self._poll()

    @precondition(lambda self: self._tasks())
    @rule()
    def poll_task(self) -> None:
        """Poll for a task; there is one exactly when one is pending."""
        claimed = self.rig.do(self.rig.engine.tasks.poll(TaskSlot(self.tenant, DEFAULT_QUEUE, Claim("w")), 0))
        pending = {task.id: task for _, task in self._tasks() if task.status == "PENDING"}
        assert (claimed is not None) == bool(pending)
        if claimed is not None:
            task = pending[claimed.id]
            task.status, task.attempt = "RUNNING", task.attempt + 1
            assert claimed.attempt == task.attempt

    @precondition(lambda self: self._tasks())
    @rule(data=st.data(), outcome=st.sampled_from(REPORTS))
    def report(self, data: st.DataObject, outcome: TaskOutcome) -> None:
        """Complete, fail or cancel any task."""
        workflow, task = data.draw(st.sampled_from(self._tasks()))
        report = TaskReport(self.tenant, task.id, outcome, output=ONE, error="boom")
        assert self._allowed(self.rig.engine.tasks.report(report)) == workflow.report(task, outcome)

    @precondition(lambda self: any(workflow.timers for workflow in self.workflows))
    @rule()
    def fire(self) -> None:
        """Let time pass."""
        while self.rig.do(self.rig.engine.timers.fire_due())[0]:
            pass
        for workflow in self.workflows:
            workflow.fire()

    @precondition(lambda self: any(workflow.promises for workflow in self.workflows))
    @rule(data=st.data(), resolves=st.booleans())
    def settle(self, data: st.DataObject, resolves: bool) -> None:  # noqa: FBT001
        """Settle a promise from outside."""
        workflow, name = data.draw(
            st.sampled_from([(workflow, name) for workflow in self.workflows for name, _ in workflow.promises])
        )
        ref = PromiseRef(self.tenant, workflow_id=workflow.id, name=name)
        _, settled = self.rig.do(self.rig.engine.promises.settle(ref, resolved(ONE) if resolves else rejected("no")))
        status = "RESOLVED" if resolves else "REJECTED"
        was_pending = workflow.settle(name, status)
        assert settled or not was_pending
        assert (name, status) in workflow.promises or not settled
        if was_pending:
            workflow.deliver(f"PROMISE_{status}")

    @precondition(lambda self: self.workflows)
    @rule(data=st.data())
    def signal(self, data: st.DataObject) -> None:
        """Signal a workflow; one that has ended refuses."""
        self._signal(data.draw(st.sampled_from(self.workflows)))

    @precondition(lambda self: self.workflows)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Ask for the end of a workflow."""
        self._cancel(data.draw(st.sampled_from(self.workflows)))

    @invariant()
    def agrees(self) -> None:
        """The database holds what the model says: states, histories numbered 1..n, one terminal event at most."""
        rows = self.rig.rows(WORKFLOWS, self.tenant)
        assert {(workflow_id, status, last) for workflow_id, status, last, _ in rows} == {
            (workflow.id, workflow.status, len(workflow.events)) for workflow in self.workflows
        }
        histories = {workflow_id: events for workflow_id, _, _, events in rows}
        for workflow in self.workflows:
            assert histories[workflow.id] == [[str(number), event] for number, event in enumerate(workflow.events, 1)]
            assert (workflow.status in ENDS) == (workflow.events[-1] in TERMINAL)
        assert set(self.rig.rows(TIMERS, self.tenant)) == {
            (workflow.id, name, state) for workflow in self.workflows for name, state in workflow.timers.items()
        }
        promises = self.rig.rows(PROMISES, self.tenant)
        for workflow in self.workflows:
            assert [
                (name, state) for workflow_id, name, state in promises if workflow_id == workflow.id
            ] == workflow.promises
        assert set(self.rig.rows(TASKS, self.tenant)) == {
            (workflow.id, task.id, task.status, task.attempt) for workflow, task in self._tasks()
        }


def test_the_engine_does_what_the_model_does(database: str) -> None:
    """Random sequences of calls leave the database as the model has it, after each single call."""
    rig = EngineMachine.rig = Rig(database)
    limits = settings(
        max_examples=times(25, 400),
        stateful_step_count=times(40, 60),
        deadline=None,
        database=None,
        derandomize=times(1, 0) == 1,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(EngineMachine, settings=limits)
    finally:
        rig.close()
