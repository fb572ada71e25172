"""The rows that a due schedule causes, and the checks of a schedule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.errors import InvalidInput
from core.payload import NULL, Json
from server.domain.schedule import MissedRunPolicy, OverlapPolicy, Schedule, ScheduleSpec, TargetType
from server.engine.schedules.schedules import _Batch, _check, _serve

TENANT, SCHEDULE, OPEN = UUID(int=1), UUID(int=2), UUID(int=3)
NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
DUE = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPEC = ScheduleSpec(
    name="s",
    description=None,
    run_at=None,
    cron="0 * * * *",
    timezone="UTC",
    end_at=None,
    target=TargetType.WORKFLOW,
    kind="k",
    queue="q",
    input=NULL,
    metadata={},
    max_retries=2,
    missed_run_policy=MissedRunPolicy.SKIP,
    overlap_policy=OverlapPolicy.SKIP,
    enabled=True,
)


def _served(previous: tuple[UUID | None, UUID | None] | None = None, **changes: Any) -> _Batch:
    batch = _Batch()
    schedule = Schedule(TENANT, SCHEDULE, replace(SPEC, **changes), DUE, None, 0, "test", DUE, DUE)
    _serve(batch, schedule, NOW, previous)
    return batch


def test_a_due_schedule_starts_its_target_and_has_a_next_instant() -> None:
    """The record names the workflow that is inserted in the same transaction."""
    batch = _served()
    ((record, next_instant),) = batch.records
    assert (record.status, record.scheduled_for) == ("STARTED", DUE)
    assert [workflow.id for workflow in batch.workflows] == [record.workflow_execution_id]
    assert next_instant == DUE + timedelta(hours=1)


def test_a_schedule_of_a_task_starts_a_task() -> None:
    """With its number of retries."""
    batch = _served(target=TargetType.TASK)
    assert [(task.id, task.max_retries) for task in batch.tasks] == [(batch.records[0][0].task_execution_id, 2)]
    assert batch.workflows == []


def test_an_instant_that_is_skipped_is_recorded_with_its_reason() -> None:
    """And the schedule goes on."""
    batch = _served((OPEN, None))
    ((record, next_instant),) = batch.records
    assert (record.status, record.error) == ("SKIPPED", "the previous execution is still open")
    assert (batch.workflows, next_instant) == ([], DUE + timedelta(hours=1))


@pytest.mark.parametrize(("workflow", "task"), [(OPEN, None), (None, OPEN)])
def test_the_previous_execution_is_cancelled_by_its_policy(workflow: UUID | None, task: UUID | None) -> None:
    """Whether it is a workflow or a task; the next one is started."""
    batch = _served((workflow, task), overlap_policy=OverlapPolicy.CANCEL_PREVIOUS)
    assert [request.workflow_id for request in batch.cancelled_workflows] == ([workflow] if workflow else [])
    assert batch.cancelled_tasks == ([(TENANT, task)] if task else [])
    assert len(batch.workflows) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"cron": "x"}, "cron"),
        ({"cron": None, "run_at": DUE, "end_at": DUE}, "endAt"),
        ({"kind": ""}, "kind"),
        ({"target": TargetType.TASK, "max_retries": -1}, "max_retries"),
    ],
)
def test_a_schedule_that_could_start_nothing_is_refused(changes: dict[str, Any], field: str) -> None:
    """When it is created, and not when it is due."""
    with pytest.raises(InvalidInput, match=field):
        _check(TENANT, replace(SPEC, **changes))


@pytest.mark.parametrize("target", TargetType)
def test_a_schedule_starts_what_it_says(target: TargetType) -> None:
    """Its kind, queue, input and metadata are those of the execution."""
    batch = _served(target=target, kind="report", queue="night", input=Json("[1]"), metadata={"a": "b"})
    assert len(batch.workflows) + len(batch.tasks) == 1
    started = batch.workflows[0] if batch.workflows else batch.tasks[0]
    assert (started.tenant_id, started.kind, started.queue) == (TENANT, "report", "night")
    assert (started.input, started.metadata) == (Json("[1]"), {"a": "b"})
