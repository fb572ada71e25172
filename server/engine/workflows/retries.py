"""Retries failed workflows by hand: the history stays, its end is taken back, and the failed tasks are done again."""

from __future__ import annotations

from core.errors import WrongState
from server.domain.audit_event import retry_requested
from server.domain.workflow import WorkflowStatus
from server.engine.dispatch.wakeups import Waker
from server.engine.workflows.claims import unknown_workflow
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey


class Retries:
    """The engine's call about retrying by hand. Children are not restarted."""

    def __init__(self, storage: Repositories, wake: Waker, wake_task: Waker) -> None:
        """Take the storage, and what wakes pollers of workflows and of tasks."""
        self._storage = storage
        self._wake = wake
        self._wake_task = wake_task

    async def retry(self, workflow: WorkflowKey, note: str | None, requested_by: str) -> int:
        """Make a failed workflow pending again; return how often that has been done by now.

        Who asked for it, and what they noted, is kept. A workflow that goes on since its last retry stays as it is.

        Raises:
            NotFound: the tenant has no such run.
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
                    f"workflow execution {workflow[1]} is {state.status}; only a failed one can be retried"
                )
            failed = await self._storage.retries.supersede(connection, workflow)
            tasks = await self._storage.retries.requeue(connection, workflow, failed) if failed else []
            count = await self._storage.retries.revive(connection, workflow)
            asked = retry_requested(*workflow, count, note, requested_by)
            await self._storage.audit_events.insert(connection, [asked])
        for queue, kind in tasks:
            self._wake_task((workflow[0], queue), kind)
        self._wake((workflow[0], state.queue), state.kind)
        return count
