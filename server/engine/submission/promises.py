"""The commands about promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from core.connection import DatabaseConnection
from core.launchers import IdempotencyKey
from core.payload import Json, dump, json_object
from server.domain.idempotency import Entity, KeyClaim
from server.domain.promise import NewPromise, Settlement, resolved, settled_event, usable_timeout
from server.domain.submission import Command
from server.domain.workflow import WorkflowState
from server.domain.workflow_event import EventType
from server.engine.submission.family import AfterCommit, Draft, EffectKind, Family, Located, workflow_keys
from server.engine.submission.keys import CLAIMS
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey


@dataclass(frozen=True, slots=True)
class CreatePromise(Command):
    """Create a promise, to which the server gives an id."""

    name: str
    timeout_ms: int | None
    key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class ResolvePromiseCommand(Command):
    """Resolve a promise of the same workflow; ``reference`` is its id or its name."""

    reference: str
    value: Json


@dataclass(frozen=True, slots=True)
class KnownPromise:
    """A promise of a workflow, and whether it is pending."""

    id: UUID
    name: str
    pending: bool = True


def _create(draft: Draft, command: CreatePromise) -> None:
    promise = NewPromise(
        tenant_id=draft.state.tenant_id,
        id=uuid4(),
        workflow_id=draft.state.id,
        name=command.name,
        timeout_ms=usable_timeout(command.timeout_ms),
    )
    known = draft.known(PROMISES)
    key = (draft.state.tenant_id, draft.state.id)
    known[key] = (*known.get(key, ()), KnownPromise(promise.id, promise.name))
    draft.effect(_CREATED, promise)
    if command.key is not None:
        draft.effect(CLAIMS, KeyClaim(promise.tenant_id, command.key, Entity.PROMISE, promise.id))
    data = json_object(
        promiseId=dump(str(promise.id)),
        promiseName=dump(command.name),
        timeoutMs=None if command.timeout_ms is None else dump(command.timeout_ms),
    )
    draft.event(EventType.PROMISE_CREATED, data)


def _resolve(draft: Draft, command: ResolvePromiseCommand) -> None:
    """Resolve the oldest pending promise of this id or name; without one, the command changes nothing."""
    known = draft.known(PROMISES)
    key = (draft.state.tenant_id, draft.state.id)
    promises = known.get(key, ())
    for promise in promises:
        if promise.pending and command.reference in {promise.name, str(promise.id)}:
            known[key] = tuple(replace(each, pending=each.pending and each != promise) for each in promises)
            outcome = resolved(command.value)
            draft.effect(_SETTLED, Settlement(draft.state.tenant_id, promise.id, outcome))
            draft.events.append(settled_event(promise.id, promise.name, outcome))
            return


async def _look_up(
    connection: DatabaseConnection, storage: Repositories, named: Sequence[Located]
) -> dict[WorkflowKey, tuple[KnownPromise, ...]]:
    known: dict[WorkflowKey, tuple[KnownPromise, ...]] = {}
    references = [(tenant_id, workflow_id, command.reference) for tenant_id, workflow_id, command in named]
    for promise, pending in await storage.promises.named(connection, references):
        key = (promise.tenant_id, promise.workflow_id)
        known[key] = (*known.get(key, ()), KnownPromise(promise.id, promise.name, pending))
    return known


async def _insert(connection: DatabaseConnection, storage: Repositories, promises: Sequence[NewPromise]) -> None:
    await storage.promises.insert(connection, promises)


async def _settle(connection: DatabaseConnection, storage: Repositories, settlements: Sequence[Settlement]) -> None:
    await storage.promises.settle(connection, settlements)


async def _abandon(connection: DatabaseConnection, storage: Repositories, ended: Sequence[WorkflowState]) -> None:
    await storage.promises.abandon_of_workflows(connection, workflow_keys(ended))


def _expect(promises: Sequence[NewPromise], after: AfterCommit) -> None:
    for promise in promises:
        if promise.timeout_ms is not None:
            after.expected.promises.expect(promise.timeout_ms / 1000)


_CREATED: EffectKind[NewPromise] = EffectKind(_insert, _expect)
_SETTLED: EffectKind[Settlement] = EffectKind(_settle)

PROMISES: Family[WorkflowKey, tuple[KnownPromise, ...]] = Family(
    handlers={CreatePromise: _create, ResolvePromiseCommand: _resolve},
    effects=(_CREATED, _SETTLED),
    look_up=_look_up,
    looked_up=(ResolvePromiseCommand,),
    end=_abandon,
)
"""The known rows are the promises of each workflow that its commands name, the oldest first."""
