"""Starts of workflows by calls: one statement per batch, or one transaction together with idempotency keys."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from core.batching import Batcher
from core.errors import FlovynError
from core.fields import metadata_field, name_field, optional_text, queue_field
from core.launchers import IdempotencyKey, Launched, WorkflowLaunch
from core.payload import dump, json_object
from server.domain.idempotency import Entity, KeyClaim, KeyHolder, key_conflict
from server.domain.workflow import ClaimedWorkflow, NewWorkflow
from server.domain.workflow_event import EventType, NewEvent
from server.engine.dispatch.direct_dispatch import DirectDispatch, Reservations
from server.engine.dispatch.wakeups import Waker
from server.engine.idempotency import claim
from server.storage.repositories import Repositories

Item = tuple[NewWorkflow, IdempotencyKey | None]


class WorkflowStarts:
    """The call that starts workflows. Concurrent starts are written as one batch."""

    def __init__(
        self, storage: Repositories, direct_dispatch: DirectDispatch[NewWorkflow, ClaimedWorkflow], wake: Waker
    ) -> None:
        self._storage = storage
        self._direct_dispatch = direct_dispatch
        self._wake = wake
        self._batcher: Batcher[Item, Launched] = Batcher(
            self._start_all, weigh=lambda item: len(item[0].input), name="workflow_starts"
        )

    async def start(self, launch: WorkflowLaunch) -> Launched:
        """Start a workflow, or find the one that its idempotency key leads to; committed when this returns.

        Raises:
            InvalidInput: a text is not valid; the message names the field.
            NotFound: the tenant does not exist.
            AlreadyExists: the key leads to a task or a promise.
        """
        return await self._batcher.submit((new_workflow(launch), launch.idempotency_key))

    async def close(self) -> None:
        """Wait until all accepted starts are committed."""
        await self._batcher.close()

    async def _start_all(self, items: Sequence[Item]) -> Sequence[Launched | FlovynError]:
        with self._direct_dispatch.reserving() as pollers:
            if any(key for _, key in items):
                results = await self._start_with_keys(items, pollers)
            else:
                pollers.deliver(
                    await self._storage.workflows.start(pollers.assign([workflow for workflow, _ in items]))
                )
                results = [Launched(workflow.id, is_new=True) for workflow, _ in items]
        for (workflow, _), result in zip(items, results, strict=True):
            if _is_new(result) and workflow.id not in pollers.served:
                self._wake((workflow.tenant_id, workflow.queue), workflow.kind)
        return results

    async def _start_with_keys(
        self, items: Sequence[Item], pollers: Reservations[NewWorkflow, ClaimedWorkflow]
    ) -> list[Launched | FlovynError]:
        claims = [KeyClaim(workflow.tenant_id, key, Entity.WORKFLOW, workflow.id) for workflow, key in items if key]
        async with self._storage.database.transaction() as connection:
            held = iter(await claim(connection, self._storage.keys, claims))
            results = [_result(workflow, key, next(held) if key else None) for workflow, key in items]
            new = [workflow for (workflow, _), result in zip(items, results, strict=True) if _is_new(result)]
            claimed = await self._storage.workflows.insert(connection, pollers.assign(new)) if new else []
        pollers.deliver(claimed)
        return results


def _result(workflow: NewWorkflow, key: IdempotencyKey | None, holder: KeyHolder | None) -> Launched | FlovynError:
    if key is None or holder is None:
        return Launched(workflow.id, is_new=True)
    if holder.entity is not Entity.WORKFLOW:
        return key_conflict(key.key, holder)
    return Launched(holder.entity_id, is_new=holder.entity_id == workflow.id)


def _is_new(result: Launched | FlovynError) -> bool:
    return isinstance(result, Launched) and result.is_new


def new_workflow(launch: WorkflowLaunch, workflow_id: UUID | None = None) -> NewWorkflow:
    """Return the workflow of a launch, with checked texts and its first event.

    Raises:
        InvalidInput: a text is not valid; the message names the field.
    """
    kind, version = name_field(launch.kind, "workflow_kind"), launch.workflow_version
    metadata = metadata_field(launch.metadata)
    data = json_object(
        input=launch.input,
        workflowKind=dump(kind),
        workflowVersion=None if version is None else dump(optional_text(version, "workflow_version")),
        metadata=dump(metadata) if metadata else None,
    )
    return NewWorkflow(
        tenant_id=launch.tenant_id,
        id=workflow_id or uuid4(),
        kind=kind,
        queue=queue_field(launch.queue),
        input=launch.input,
        priority_ms=launch.priority_seconds * 1000,
        workflow_version=version,
        metadata=metadata,
        started=NewEvent(EventType.WORKFLOW_STARTED, data),
        has_key=launch.idempotency_key is not None,
    )
