"""Starts of workflows by calls."""

from __future__ import annotations

from uuid import UUID, uuid4

from core.fields import metadata_field, name_field, optional_text, queue_field
from core.launchers import Launched, WorkflowLaunch
from core.payload import dump, json_object
from core.tracing import context_to_store
from server.domain.idempotency import Entity
from server.domain.workflow import ClaimedWorkflow, NewWorkflow
from server.domain.workflow_event import EventType, NewEvent
from server.engine.dispatch.direct_dispatch import DirectDispatch
from server.engine.dispatch.wakeups import Waker
from server.engine.keyed_starts import KeyedStarts
from server.storage.repositories import Repositories


class WorkflowStarts:
    """The call that starts workflows. Concurrent starts are written as one batch."""

    def __init__(
        self, storage: Repositories, direct_dispatch: DirectDispatch[NewWorkflow, ClaimedWorkflow], wake: Waker
    ) -> None:
        self._starts: KeyedStarts[NewWorkflow, ClaimedWorkflow] = KeyedStarts(
            Entity.WORKFLOW,
            storage,
            start=storage.workflows.start,
            insert=storage.workflows.insert,
            direct_dispatch=direct_dispatch,
            wake=wake,
        )

    async def start(self, launch: WorkflowLaunch) -> Launched:
        """Start a workflow, or find the one that its idempotency key leads to; committed when this returns.

        Raises:
            InvalidInput: a text is not valid; the message names the field.
            NotFound: the tenant does not exist.
            AlreadyExists: the key leads to a task, a promise or an agent.
        """
        return await self._starts.start(new_workflow(launch), launch.idempotency_key)

    async def close(self) -> None:
        """Wait until all accepted starts are committed."""
        await self._starts.close()


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
        trace=context_to_store("workflow"),
    )
