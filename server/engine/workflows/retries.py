"""Manual retries of failed workflows: the terminal event and the failures of tasks are superseded, the rest stays."""

from __future__ import annotations

from core.errors import WrongState
from server.domain.audit_event import retry_requested
from server.domain.workflow import WorkflowStatus
from server.engine.dispatch.wakeups import Waker
from server.engine.workflows.claims import unknown_workflow
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey


class Retries:
    """The call that retries a workflow. Children are not retried."""

    def __init__(self, storage: Repositories, wake: Waker, wake_task: Waker) -> None:
        self._storage = storage
        self._wake = wake
        self._wake_task = wake_task

    async def retry(self, workflow: WorkflowKey, note: str | None, requested_by: str) -> int:
        """Make a failed workflow and its failed tasks pending again; return the number of its retries.

        ``note`` and ``requested_by`` are stored as an audit event. A workflow that is running since its last retry
        stays unchanged.

        Raises:
            NotFound: the tenant has no such workflow.
            WrongState: the workflow has not failed, and was not retried.
        """
        async with self._storage.database.transaction() as connection:
            states = await self._storage.workflows.lock(connection, [workflow])
            if workflow not in states:
                raise unknown_workflow(workflow[1])
            state = states[workflow]
            if state.status is not WorkflowStatus.FAILED:
                retried = await self._storage.retries.retried(connection, workflow)
                if retried is not None:
                    return retried
                raise WrongState(
                    f"workflow execution {workflow[1]} is {state.status}; only a failed workflow can be retried"
                )
            failed = await self._storage.retries.supersede(connection, workflow)
            tasks = await self._storage.retries.requeue(connection, workflow, failed) if failed else []
            count = await self._storage.retries.revive(connection, workflow)
            event = retry_requested(*workflow, count, note, requested_by)
            await self._storage.audit_events.insert(connection, [event])
        for queue, kind in tasks:
            self._wake_task((workflow[0], queue), kind)
        self._wake((workflow[0], state.queue), state.kind)
        return count
