"""Starts of tasks by calls, not by commands: one transaction per batch, together with their idempotency keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from core.batching import Batcher
from core.errors import FlovynError, InvalidInput, NotFound, WrongState
from core.fields import metadata_field, name_field, queue_field
from core.launchers import IdempotencyKey, Launched, TaskLaunch
from core.tracing import context_to_store
from server.domain.idempotency import Entity, KeyClaim, KeyHolder, key_conflict
from server.domain.task import NewTask, usable_timeout
from server.domain.workflow import WorkflowState
from server.engine.idempotency import claim
from server.engine.tasks.claims import TaskClaims, TaskDispatch
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey


@dataclass(frozen=True, slots=True)
class Item:
    """A task to insert, and its idempotency key."""

    task: NewTask
    key: IdempotencyKey | None


class TaskStarts:
    """The call that starts tasks. Concurrent starts are written as one batch."""

    def __init__(self, storage: Repositories, claims: TaskClaims) -> None:
        self._storage = storage
        self._claims = claims
        self._batcher: Batcher[Item, Launched] = Batcher(
            self._start_all, weigh=lambda item: len(item.task.input), name="task_starts"
        )

    async def start(
        self, launch: TaskLaunch, workflow_id: UUID | None = None, scheduled_at: datetime | None = None
    ) -> Launched:
        """Start a task, or find the one that its idempotency key leads to; committed when this returns.

        The task is standalone if ``workflow_id`` is None. ``scheduled_at`` is the earliest start of the first attempt.

        Raises:
            InvalidInput: a field is not valid; the message names it.
            NotFound: the tenant, or the workflow, does not exist.
            WrongState: the workflow has ended.
            AlreadyExists: the key leads to a workflow, a promise, or a task of another kind.
        """
        return await self._batcher.submit(Item(new_task(launch, workflow_id, scheduled_at), launch.idempotency_key))

    async def close(self) -> None:
        """Wait until all accepted starts are committed."""
        await self._batcher.close()

    async def _start_all(self, items: Sequence[Item]) -> Sequence[Launched | FlovynError]:
        with self._claims.dispatching() as dispatch:
            return await self._insert(items, dispatch)

    async def _insert(self, items: Sequence[Item], dispatch: TaskDispatch) -> Sequence[Launched | FlovynError]:
        """Insert tasks; return the result of each item."""
        owners = {
            (each.task.tenant_id, workflow_id) for each in items if (workflow_id := each.task.workflow_execution_id)
        }
        async with self._storage.database.transaction() as connection:
            # the lock keeps a workflow from ending, or from being deleted, before its task is inserted
            workflows = await self._storage.workflows.lock(connection, list(owners)) if owners else {}
            results: list[Launched | FlovynError] = [
                _refusal(workflows, each.task) or Launched(each.task.id, is_new=True) for each in items
            ]
            keyed = [index for index, each in enumerate(items) if each.key and isinstance(results[index], Launched)]
            if keyed:
                holders = await claim(connection, self._storage.keys, [_claim(items[index]) for index in keyed])
                kinds = {each.task.id: each.task.kind for each in items}
                for index, holder in zip(keyed, holders, strict=True):
                    results[index] = _of_key(items[index], holder, kinds)
            new = [each.task for each, result in zip(items, results, strict=True) if _is_new(result)]
            if new:
                await self._storage.tasks.insert(connection, dispatch.assign(new))
        return results


def new_task(launch: TaskLaunch, workflow_id: UUID | None, scheduled_at: datetime | None) -> NewTask:
    """Return the task of a launch, with checked fields.

    Raises:
        InvalidInput: a field is not valid; the message names it.
    """
    if launch.max_retries < 0:
        raise InvalidInput(f"max_retries is {launch.max_retries}; it must be 0 (one attempt) or more")
    timeout = launch.timeout
    return NewTask(
        tenant_id=launch.tenant_id,
        id=uuid4(),
        workflow_execution_id=workflow_id,
        kind=name_field(launch.kind, "kind"),
        queue=queue_field(launch.queue),
        input=launch.input,
        max_retries=launch.max_retries,
        timeout_ms=None if timeout is None else usable_timeout(timeout // timedelta(milliseconds=1)),
        metadata=metadata_field(launch.metadata),
        scheduled_at=scheduled_at,
        trace=context_to_store("task"),
    )


def _refusal(workflows: Mapping[WorkflowKey, WorkflowState], task: NewTask) -> FlovynError | None:
    """Return the error of a task whose workflow is missing or has ended; None if the task may be inserted."""
    workflow_id = task.workflow_execution_id
    if workflow_id is None:
        return None
    workflow = workflows.get((task.tenant_id, workflow_id))
    if workflow is None:
        return NotFound(f"there is no workflow execution {workflow_id} in this tenant")
    if workflow.status.is_terminal:
        return WrongState(f"workflow execution {workflow_id} is {workflow.status} and accepts no tasks")
    return None


def _claim(item: Item) -> KeyClaim:
    assert item.key is not None
    return KeyClaim(item.task.tenant_id, item.key, Entity.TASK, item.task.id)


def _of_key(item: Item, holder: KeyHolder, kinds: Mapping[UUID, str]) -> Launched | FlovynError:
    """Return the result for a key: the new task, an earlier one of the same kind, or an error."""
    kind = kinds.get(holder.entity_id, holder.kind)
    if holder.entity is not Entity.TASK or kind != item.task.kind:
        assert item.key is not None
        return key_conflict(item.key.key, holder)
    return Launched(holder.entity_id, is_new=holder.entity_id == item.task.id)


def _is_new(result: Launched | FlovynError) -> bool:
    return isinstance(result, Launched) and result.is_new
