"""Manual retries of failed workflows: the terminal event and the failures of tasks are superseded, the rest stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.connection import DatabaseConnection
from core.errors import WrongState
from server.domain.audit_event import retry_requested
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.dispatch.wakeups import QueueKey, Waker
from server.engine.workflows.claims import unknown_workflow
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey


class Retries:
    """The calls that retry workflows. Children are not retried."""

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
            counts, tasks = await self._revive(connection, [workflow], note, requested_by)
        self._wake_all(states, tasks)
        return counts[workflow]

    async def retry_all(self, workflows: Sequence[WorkflowKey], note: str | None, requested_by: str) -> int:
        """Retry the workflows that have failed, in one transaction; return their number. See ``retry``."""
        async with self._storage.database.transaction() as connection:
            states = await self._storage.workflows.lock(connection, workflows)
            failed = {key: state for key, state in states.items() if state.status is WorkflowStatus.FAILED}
            if not failed:
                return 0
            _, tasks = await self._revive(connection, list(failed), note, requested_by)
        self._wake_all(failed, tasks)
        return len(failed)

    async def _revive(
        self, connection: DatabaseConnection, workflows: Sequence[WorkflowKey], note: str | None, requested_by: str
    ) -> tuple[dict[WorkflowKey, int], list[tuple[QueueKey, str]]]:
        """Return the number of retries of each workflow, and queue and kind of each task that is pending again."""
        retries = self._storage.retries
        failed = await retries.supersede(connection, workflows)
        tasks = await retries.requeue(connection, failed) if failed else []
        counts = await retries.revive(connection, workflows)
        events = [retry_requested(*workflow, count, note, requested_by) for workflow, count in counts.items()]
        await self._storage.audit_events.insert(connection, events)
        return counts, tasks

    def _wake_all(self, workflows: Mapping[WorkflowKey, WorkflowState], tasks: Sequence[tuple[QueueKey, str]]) -> None:
        for queue, kind in tasks:
            self._wake_task(queue, kind)
        for state in workflows.values():
            self._wake((state.tenant_id, state.queue), state.kind)
