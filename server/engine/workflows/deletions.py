"""Deletions of ended workflows by hand, with everything that belongs to them, as retention deletes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from core.errors import WrongState
from server.domain.workflow import WorkflowStatus
from server.engine.workflows.claims import unknown_workflow
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey


class Deletions:
    """The calls that delete workflows. Their children stay."""

    def __init__(self, storage: Repositories) -> None:
        self._storage = storage

    async def delete(self, workflow: WorkflowKey) -> None:
        """Delete an ended workflow.

        Raises:
            NotFound: the tenant has no such workflow.
            WrongState: the workflow has not ended.
        """
        async with self._storage.database.transaction() as connection:
            states = await self._storage.workflows.lock(connection, [workflow])
            if workflow not in states:
                raise unknown_workflow(workflow[1])
            status = states[workflow].status
            if not status.is_terminal:
                raise WrongState(
                    f"workflow execution {workflow[1]} is {status}; only an ended workflow can be deleted: cancel or"
                    " terminate it first"
                )
            await self._storage.workflows.delete(connection, [workflow])

    async def delete_all(self, workflows: Sequence[WorkflowKey], statuses: Collection[WorkflowStatus]) -> int:
        """Delete the ended workflows that have one of these statuses, in one transaction; return their number."""
        async with self._storage.database.transaction() as connection:
            states = await self._storage.workflows.lock(connection, workflows)
            doomed = [key for key, state in states.items() if state.status in statuses and state.status.is_terminal]
            return len(await self._storage.workflows.delete(connection, doomed)) if doomed else 0
