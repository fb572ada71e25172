"""Creates tasks that no command of a workflow creates: many in one transaction, with their idempotency keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from core.batching import Batcher
from core.errors import FlovynError, InvalidInput, NotFound, WrongState
from core.fields import metadata_field, name_field, queue_field
from core.launchers import IdempotencyKey, Launched, TaskLaunch
from server.domain.idempotency import Entity, KeyClaim, KeyHolder, taken
from server.domain.task import ClaimedTask, NewTask, dispatched, usable_timeout
from server.domain.workflow import WorkflowState
from server.engine.dispatch.direct_dispatch import Reservations
from server.engine.idempotency import claim
from server.engine.tasks.claims import TaskClaims
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey


@dataclass(frozen=True, slots=True)
class Item:
    """A task to create, and the key that makes its creation repeatable."""

    task: NewTask
    key: IdempotencyKey | None


class TaskStarts:
    """Group commit of creations."""

    def __init__(self, storage: Repositories, claims: TaskClaims) -> None:
        """Take the storage, and what brings tasks to pollers."""
        self._storage = storage
        self._claims = claims
        self._batcher: Batcher[Item, Launched] = Batcher(self._start_all, weigh=lambda item: len(item.task.input))

    async def start(
        self, launch: TaskLaunch, workflow_id: UUID | None = None, scheduled_at: datetime | None = None
    ) -> Launched:
        """Create a task, or find the one that its idempotency key leads to; committed when this returns.

        It stands alone, or belongs to a workflow; ``scheduled_at`` holds the first attempt back until then.

        Raises:
            InvalidInput: a field is not valid; the message names it.
            NotFound: the tenant, or the workflow, does not exist.
            WrongState: the workflow has ended.
            AlreadyExists: the key leads to something else, or to a task of another kind.
        """
        return await self._batcher.submit(Item(new_task(launch, workflow_id, scheduled_at), launch.idempotency_key))

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        await self._batcher.close()

    async def _start_all(self, items: Sequence[Item]) -> Sequence[Launched | FlovynError]:
        with self._claims.direct_dispatch.reserving() as pollers:
            results, new = await self._insert(items, pollers)
            pollers.serve([dispatched(task, task.claim) for task in new if task.claim is not None])
        self._claims.wake([task for task in new if task.scheduled_at is None and task.id not in pollers.served])
        return results

    async def _insert(
        self, items: Sequence[Item], pollers: Reservations[NewTask, ClaimedTask]
    ) -> tuple[Sequence[Launched | FlovynError], Sequence[NewTask]]:
        """Return what became of the items, and the tasks that were inserted."""
        owners = {
            (each.task.tenant_id, workflow_id) for each in items if (workflow_id := each.task.workflow_execution_id)
        }
        async with self._storage.database.transaction() as connection:
            workflows = await self._storage.workflows.lock(connection, list(owners)) if owners else {}
            results: list[Launched | FlovynError] = [
                _refusal(workflows, each.task) or Launched(each.task.id, is_new=True) for each in items
            ]
            keyed = [index for index, each in enumerate(items) if each.key and isinstance(results[index], Launched)]
            if keyed:
                holders = await claim(connection, self._storage.keys, [_claim(items[index]) for index in keyed])
                kinds = {each.task.id: each.task.kind for each in items}
                for index, holder in zip(keyed, holders, strict=True):
                    results[index] = _held(items[index], holder, kinds)
            new = [each.task for each, result in zip(items, results, strict=True) if _is_new(result)]
            later = [task for task in new if task.scheduled_at is not None]
            new = [*pollers.assign([task for task in new if task.scheduled_at is None]), *later]
            if new:
                await self._storage.tasks.insert(connection, new)
        return results, new


def new_task(launch: TaskLaunch, workflow_id: UUID | None, scheduled_at: datetime | None) -> NewTask:
    """Return the task of a launch, its fields checked.

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
    )


def _refusal(workflows: Mapping[WorkflowKey, WorkflowState], task: NewTask) -> FlovynError | None:
    """Return why a task cannot be created for the workflow that it names, if it names one."""
    workflow_id = task.workflow_execution_id
    if workflow_id is None:
        return None
    workflow = workflows.get((task.tenant_id, workflow_id))
    if workflow is None:
        return NotFound(f"there is no workflow execution {workflow_id} in this tenant")
    if workflow.status.is_terminal:
        return WrongState(f"workflow execution {workflow_id} is {workflow.status} and takes no more tasks")
    return None


def _claim(item: Item) -> KeyClaim:
    assert item.key is not None
    return KeyClaim(item.task.tenant_id, item.key, Entity.TASK, item.task.id)


def _held(item: Item, holder: KeyHolder, kinds: Mapping[UUID, str]) -> Launched | FlovynError:
    """Return what a key led to: the new task, an older one of the same kind, or something that does not fit."""
    kind = kinds.get(holder.entity_id, holder.kind)
    if holder.entity is not Entity.TASK or kind != item.task.kind:
        assert item.key is not None
        return taken(item.key.key, holder)
    return Launched(holder.entity_id, is_new=holder.entity_id == item.task.id)


def _is_new(result: Launched | FlovynError) -> bool:
    return isinstance(result, Launched) and result.is_new
