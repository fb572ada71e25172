"""Starts runs: many in one statement; those with idempotency keys together with their keys."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from core.batching import Batcher
from core.errors import FlovynError
from core.fields import metadata_field, name_field, optional_text, queue_field
from core.launchers import IdempotencyKey, Launched, WorkflowLaunch
from core.payload import dump, json_object
from server.domain.idempotency import Entity, KeyClaim, KeyHolder, taken
from server.domain.workflow import ClaimedRun, NewRun
from server.domain.workflow_event import EventType, NewEvent
from server.engine.dispatch.direct_dispatch import DirectDispatch, Reservations
from server.engine.dispatch.wakeups import Waker
from server.engine.idempotency import claim
from server.storage.repositories import Repositories

Item = tuple[NewRun, IdempotencyKey | None]


class Starts:
    """Group commit of starts."""

    def __init__(self, storage: Repositories, direct_dispatch: DirectDispatch[NewRun, ClaimedRun], wake: Waker) -> None:
        """Take the storage, what finds pollers that wait for new runs, and what wakes those for whom none did."""
        self._storage = storage
        self._direct_dispatch = direct_dispatch
        self._wake = wake
        self._batcher: Batcher[Item, Launched] = Batcher(self._start_all, weigh=lambda item: len(item[0].input))

    async def start(self, launch: WorkflowLaunch) -> Launched:
        """Start a run, or find the one that its idempotency key leads to; committed when this returns.

        Raises:
            InvalidInput: a text is not valid; the message names the field.
            NotFound: the tenant does not exist.
            AlreadyExists: the key leads to a task or a promise.
        """
        return await self._batcher.submit((new_run(launch), launch.idempotency_key))

    async def close(self) -> None:
        """Wait for everything that was accepted to be committed."""
        await self._batcher.close()

    async def _start_all(self, items: Sequence[Item]) -> Sequence[Launched | FlovynError]:
        with self._direct_dispatch.reserving() as pollers:
            if any(key for _, key in items):
                results = await self._start_with_keys(items, pollers)
            else:
                pollers.serve(await self._storage.runs.start(pollers.assign([run for run, _ in items])))
                results = [Launched(run.id, is_new=True) for run, _ in items]
        for (run, _), result in zip(items, results, strict=True):
            if _is_new(result) and run.id not in pollers.served:
                self._wake((run.tenant_id, run.queue), run.kind)
        return results

    async def _start_with_keys(
        self, items: Sequence[Item], pollers: Reservations[NewRun, ClaimedRun]
    ) -> list[Launched | FlovynError]:
        claims = [KeyClaim(run.tenant_id, key, Entity.WORKFLOW, run.id) for run, key in items if key]
        async with self._storage.database.transaction() as connection:
            held = iter(await claim(connection, self._storage.keys, claims))
            results = [_result(run, key, next(held) if key else None) for run, key in items]
            new = [run for (run, _), result in zip(items, results, strict=True) if _is_new(result)]
            claimed = await self._storage.runs.insert(connection, pollers.assign(new)) if new else []
        pollers.serve(claimed)
        return results


def _result(run: NewRun, key: IdempotencyKey | None, holder: KeyHolder | None) -> Launched | FlovynError:
    if key is None or holder is None:
        return Launched(run.id, is_new=True)
    if holder.entity is not Entity.WORKFLOW:
        return taken(key.key, holder)
    return Launched(holder.entity_id, is_new=holder.entity_id == run.id)


def _is_new(result: Launched | FlovynError) -> bool:
    return isinstance(result, Launched) and result.is_new


def new_run(launch: WorkflowLaunch, run_id: UUID | None = None) -> NewRun:
    """Return the run of a launch, its texts checked, with its first event.

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
    return NewRun(
        tenant_id=launch.tenant_id,
        id=run_id or uuid4(),
        kind=kind,
        queue=queue_field(launch.queue),
        input=launch.input,
        priority_ms=launch.priority_seconds * 1000,
        workflow_version=version,
        metadata=metadata,
        started=NewEvent(EventType.WORKFLOW_STARTED, data),
        has_key=launch.idempotency_key is not None,
    )
