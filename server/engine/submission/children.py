"""The commands about child workflows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.connection import DatabaseConnection
from core.payload import Json
from server.domain import child
from server.domain.audit_event import cancellations_requested
from server.domain.cancellation import ChildCancellation
from server.domain.submission import Command
from server.domain.workflow import NewWorkflow, WorkflowState
from server.engine.submission.family import AfterCommit, Draft, EffectKind, Family, Located, workflow_keys
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey


@dataclass(frozen=True, slots=True)
class ScheduleChild(Command):
    """Start a child workflow with the id that the worker made; None as queue means the workflow's queue.

    A child without a kind cannot start.
    """

    child_id: UUID
    name: str
    kind: str | None
    input: Json
    queue: str | None
    priority_seconds: int


@dataclass(frozen=True, slots=True)
class CancelChild(Command):
    """Cancel a child: the one with the id, or the one with the name if ``child_id`` is None."""

    child_id: UUID | None
    name: str
    reason: str


def _schedule(draft: Draft, command: ScheduleChild) -> None:
    """Start a child. If it cannot start, the parent gets an event of its failure: an error would fail the parent."""
    state = draft.state
    key = (state.tenant_id, command.child_id)
    children = draft.known(CHILDREN)
    if key in children and children[key] == state.id:
        draft.skip(CHILDREN, key)
        return
    queue = command.queue or state.queue
    draft.events.append(child.initiated(command.name, command.child_id, command.kind or "", command.input, queue))
    problem = _problem(draft, command)
    if command.kind is None or problem is not None:
        draft.events.append(child.failed(command.name, command.child_id, problem or _NO_KIND))
        draft.must_see = True
        return
    workflow = child.new_child(
        state,
        command.child_id,
        name=command.name,
        kind=command.kind,
        queue=queue,
        data=command.input,
        priority_seconds=command.priority_seconds,
    )
    children[key] = state.id
    draft.effect(_STARTED, workflow)


def _problem(draft: Draft, command: ScheduleChild) -> str | None:
    """Return why a child cannot start; None if it can."""
    if (draft.state.tenant_id, command.child_id) in draft.known(CHILDREN):
        return f"the id {command.child_id} belongs to another workflow execution"
    if draft.state.depth >= child.MAX_DEPTH:
        return f"children may be nested {child.MAX_DEPTH} levels deep"
    return None


def _cancel(draft: Draft, command: CancelChild) -> None:
    state = draft.state
    request = ChildCancellation(
        tenant_id=state.tenant_id,
        parent_id=state.id,
        child_id=command.child_id,
        name=command.name,
        reason=command.reason or "the parent asked for it",
        requested_by=f"workflow:{state.id}",
    )
    draft.effect(_CANCELLED, request)


async def _look_up(
    connection: DatabaseConnection, storage: Repositories, named: Sequence[Located]
) -> dict[WorkflowKey, UUID | None]:
    keys = [(tenant_id, command.child_id) for tenant_id, _, command in named]
    return await storage.workflows.parents(connection, keys)


async def _insert(connection: DatabaseConnection, storage: Repositories, children: Sequence[NewWorkflow]) -> None:
    await storage.workflows.insert(connection, children)


async def _request(
    connection: DatabaseConnection, storage: Repositories, requests: Sequence[ChildCancellation]
) -> None:
    """Store requests to cancel children; each is carried out in a later transaction, which locks the child."""
    await storage.audit_events.insert(connection, cancellations_requested(requests))
    await storage.cancellations.request_named_children(connection, requests)


async def _remove_requests(
    connection: DatabaseConnection, storage: Repositories, ended: Sequence[WorkflowState]
) -> None:
    """Remove the requests to cancel workflows that have ended."""
    await storage.cancellations.remove(connection, workflow_keys(ended))


def _wake(children: Sequence[NewWorkflow], after: AfterCommit) -> None:
    for workflow in children:
        after.wake((workflow.tenant_id, workflow.queue), workflow.kind)


def _expect(_requests: Sequence[ChildCancellation], after: AfterCommit) -> None:
    after.expected.cancellations.expect(0.0)


_NO_KIND = "this server identifies workflow definitions by their kind alone, and the command has no kind"

_STARTED: EffectKind[NewWorkflow] = EffectKind(_insert, _wake)
_CANCELLED: EffectKind[ChildCancellation] = EffectKind(_request, _expect)

CHILDREN: Family[WorkflowKey, UUID | None] = Family(
    handlers={ScheduleChild: _schedule, CancelChild: _cancel},
    effects=(_STARTED, _CANCELLED),
    look_up=_look_up,
    looked_up=(ScheduleChild,),
    end=_remove_requests,
)
"""The known rows are the parents of the workflows that a command would start."""
