"""Starts of child workflows by a call, instead of a command of the parent."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from core.errors import LimitExceeded, WrongState
from core.payload import Json
from server.domain import child
from server.domain.delivery import Delivery
from server.engine.dispatch.wakeups import Waker
from server.engine.workflows.claims import unknown_workflow
from server.engine.workflows.deliveries import Deliveries
from server.storage.repositories import Repositories


@dataclass(frozen=True, slots=True)
class ChildRequest:
    """A child to start; None as queue means the parent's queue."""

    tenant_id: UUID
    parent_id: UUID
    name: str
    kind: str
    input: Json
    queue: str | None
    priority_seconds: int


class ChildWorkflows:
    """The call that starts a child."""

    def __init__(self, storage: Repositories, deliveries: Deliveries, wake: Waker) -> None:
        self._storage = storage
        self._deliveries = deliveries
        self._wake = wake

    async def start(self, request: ChildRequest) -> UUID:
        """Start a child and return its id, committed.

        Raises:
            NotFound: the tenant has no such parent.
            WrongState: the parent has ended.
            LimitExceeded: the child would be nested too deep.
        """
        key = (request.tenant_id, request.parent_id)
        async with self._deliveries.dispatching() as dispatch, self._storage.database.transaction() as connection:
            states = await self._storage.workflows.lock(connection, [key])
            if key not in states:
                raise unknown_workflow(request.parent_id)
            parent = states[key]
            if parent.status.is_terminal:
                raise WrongState(f"workflow execution {parent.id} is {parent.status} and starts no children")
            if parent.depth >= child.MAX_DEPTH:
                raise LimitExceeded(f"children may be nested {child.MAX_DEPTH} levels deep")
            workflow = child.new_child(
                parent,
                uuid4(),
                name=request.name,
                kind=request.kind,
                queue=request.queue or parent.queue,
                data=request.input,
                priority_seconds=request.priority_seconds,
            )
            event = child.initiated(request.name, workflow.id, workflow.kind, workflow.input, workflow.queue)
            initiated = Delivery(parent.tenant_id, parent.id, event, waking=False)
            await dispatch.append(connection, states, [initiated])
            await self._storage.workflows.insert(connection, [workflow])
        self._wake((workflow.tenant_id, workflow.queue), workflow.kind)
        return workflow.id
