"""The workflows whose pollers are woken after steps."""

from __future__ import annotations

from uuid import UUID

from server.domain.submission import WorkflowStep
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.workflows.deliveries import woken

TENANT = UUID(int=1)


def _step(number: int, status: WorkflowStatus) -> WorkflowStep:
    return WorkflowStep(WorkflowState(TENANT, UUID(int=number), "k", "q", status, 1, 1, 0), ())


def test_a_workflow_is_woken_once_if_its_last_step_leaves_it_pending() -> None:
    """An earlier step does not count, and neither does a workflow that waits, runs or has ended."""
    pending, waiting, ended = WorkflowStatus.PENDING, WorkflowStatus.WAITING, WorkflowStatus.COMPLETED
    steps = [_step(1, pending), _step(2, pending), _step(1, pending), _step(2, ended), _step(3, waiting)]
    assert [state.id for state in woken(steps)] == [UUID(int=1)]
