"""The command that schedules a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.connection import DatabaseConnection
from core.errors import WrongState
from core.launchers import IdempotencyKey
from core.payload import Json, dump, json_object
from core.tracing import context_below
from server.domain.idempotency import Entity, KeyClaim
from server.domain.submission import Command
from server.domain.task import NewTask
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.domain.workflow_event import EventType
from server.engine.submission.family import Draft, EffectKind, Family, Located, workflow_keys
from server.engine.submission.keys import CLAIMS
from server.engine.tasks.claims import TaskDispatch
from server.storage.repositories import Repositories
from server.storage.tasks import TaskKey


@dataclass(frozen=True, slots=True)
class ScheduleTask(Command):
    """Schedule a task with the id that the worker made; None as queue means the workflow's queue."""

    task_id: UUID
    kind: str
    input: Json
    queue: str | None
    max_retries: int
    timeout_ms: int | None
    priority_seconds: int
    key: IdempotencyKey | None = None


def _schedule(draft: Draft, command: ScheduleTask) -> None:
    state = draft.state
    key = (state.tenant_id, command.task_id)
    tasks = draft.known(TASKS)
    existing = tasks.get(key)
    if existing == (state.id, command.kind):
        draft.skip(TASKS, key)
        return
    if existing is not None:
        raise WrongState(
            f"task_execution_id {command.task_id} belongs to another task; workers derive it from the workflow's id"
        )
    task = _new_task(state, command)
    tasks[key] = (task.workflow_execution_id, task.kind)
    draft.effect(_SCHEDULED, task)
    if command.key is not None:
        draft.effect(CLAIMS, KeyClaim(task.tenant_id, command.key, Entity.TASK, task.id))
    data = json_object(
        kind=dump(task.kind),
        taskExecutionId=dump(str(task.id)),
        input=task.input,
        queue=dump(task.queue),
        maxRetries=dump(task.max_retries),
        timeoutMs=None if task.timeout_ms is None else dump(task.timeout_ms),
    )
    draft.event(EventType.TASK_SCHEDULED, data)


def _new_task(state: WorkflowState, command: ScheduleTask) -> NewTask:
    return NewTask(
        tenant_id=state.tenant_id,
        id=command.task_id,
        workflow_execution_id=state.id,
        kind=command.kind,
        queue=command.queue or state.queue,
        input=command.input,
        max_retries=command.max_retries,
        timeout_ms=command.timeout_ms,
        priority_ms=command.priority_seconds * 1000,
        trace=context_below(state.trace, state.id),
    )


async def _look_up(
    connection: DatabaseConnection, storage: Repositories, named: Sequence[Located]
) -> dict[TaskKey, tuple[UUID | None, str]]:
    return await storage.tasks.existing(connection, [(tenant_id, command.task_id) for tenant_id, _, command in named])


async def _insert(connection: DatabaseConnection, storage: Repositories, tasks: Sequence[NewTask]) -> None:
    await storage.tasks.insert(connection, tasks)


async def _cancel(connection: DatabaseConnection, storage: Repositories, ended: Sequence[WorkflowState]) -> None:
    """Cancel the tasks of cancelled workflows; after any other end, tasks go on."""
    cancelled = [state for state in ended if state.status is WorkflowStatus.CANCELLED]
    if cancelled:
        await storage.tasks.cancel_of_workflows(connection, workflow_keys(cancelled))


def _assign(tasks: Sequence[NewTask], dispatch: TaskDispatch) -> Sequence[NewTask]:
    return dispatch.assign(tasks)


_SCHEDULED: EffectKind[NewTask] = EffectKind(_insert, assign=_assign)

TASKS: Family[TaskKey, tuple[UUID | None, str]] = Family(
    handlers={ScheduleTask: _schedule},
    effects=(_SCHEDULED,),
    look_up=_look_up,
    looked_up=(ScheduleTask,),
    end=_cancel,
)
"""The known rows are the workflow and the kind of each task."""
