"""Launches of workflows and tasks as rows to insert."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import pytest

from core.errors import InvalidInput
from core.launchers import DEFAULT_QUEUE, IdempotencyKey, Launched, TaskLaunch, WorkflowLaunch
from core.payload import Json
from server.domain.idempotency import Entity, KeyHolder
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.tasks import starts as task_starts
from server.engine.tasks.starts import Item, new_task
from server.engine.workflows.starts import new_workflow

TENANT, WORKFLOW = UUID(int=1), UUID(int=2)


def test_a_workflow_starts_with_its_first_event() -> None:
    """The event carries the input and the kind; members without a value are left out."""
    workflow = new_workflow(WorkflowLaunch(TENANT, "k", Json("[1]"), queue="", priority_seconds=3), WORKFLOW)
    assert (workflow.id, workflow.queue, workflow.priority_ms, workflow.has_key) == (
        WORKFLOW,
        DEFAULT_QUEUE,
        3000,
        False,
    )
    assert json.loads(workflow.started.data) == {"input": [1], "workflowKind": "k"}


def test_a_workflow_with_a_key_has_dependents() -> None:
    """Its key is released when it fails; version and metadata are in the first event, too."""
    launch = WorkflowLaunch(TENANT, "k", workflow_version="2", metadata={"a": "b"}, idempotency_key=IdempotencyKey("x"))
    workflow = new_workflow(launch)
    assert workflow.has_key
    assert {"workflowVersion": "2", "metadata": {"a": "b"}}.items() <= json.loads(workflow.started.data).items()


@pytest.mark.parametrize(
    ("timeout", "milliseconds"),
    [(None, None), (timedelta(0), None), (timedelta(microseconds=999), None), (timedelta(seconds=1.5), 1500)],
)
def test_a_timeout_of_a_task_is_whole_milliseconds(timeout: timedelta | None, milliseconds: int | None) -> None:
    """Less than a millisecond is no timeout."""
    assert new_task(TaskLaunch(TENANT, "k", timeout=timeout), None, None).timeout_ms == milliseconds


def test_a_task_has_no_negative_number_of_retries() -> None:
    """Zero means one attempt."""
    assert new_task(TaskLaunch(TENANT, "k", max_retries=0), None, None).max_retries == 0
    with pytest.raises(InvalidInput, match="max_retries"):
        new_task(TaskLaunch(TENANT, "k", max_retries=-1), None, None)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (None, "there is no workflow execution"),
        (WorkflowStatus.FAILED, "accepts no tasks"),
        (WorkflowStatus.WAITING, ""),
    ],
)
def test_a_task_needs_an_open_workflow(status: WorkflowStatus | None, error: str) -> None:
    """A standalone task needs none."""
    states = {(TENANT, WORKFLOW): WorkflowState(TENANT, WORKFLOW, "k", "q", status, 1, 1, 0)} if status else {}
    refusal = task_starts._refusal(states, new_task(TaskLaunch(TENANT, "k"), WORKFLOW, None))
    assert error in str(refusal or "")
    assert (refusal is None) == (not error)
    assert task_starts._refusal(states, new_task(TaskLaunch(TENANT, "k"), None, None)) is None


def test_a_key_leads_to_a_task_of_the_same_kind_alone() -> None:
    """A task of another kind, and any other entity, is a conflict."""
    item = Item(new_task(TaskLaunch(TENANT, "k"), None, None), IdempotencyKey("x"))
    earlier = UUID(int=9)
    kinds = {item.task.id: "k"}
    assert task_starts._of_key(item, KeyHolder(Entity.TASK, item.task.id), kinds) == Launched(item.task.id, is_new=True)
    assert task_starts._of_key(item, KeyHolder(Entity.TASK, earlier, "k"), kinds) == Launched(earlier, is_new=False)
    for holder in (KeyHolder(Entity.TASK, earlier, "other"), KeyHolder(Entity.WORKFLOW, earlier, "k")):
        assert "choose another key" in str(task_starts._of_key(item, holder, kinds))
