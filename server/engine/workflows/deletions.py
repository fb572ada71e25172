"""Deletions of ended workflows by hand, with everything that belongs to them, as retention deletes them."""

from __future__ import annotations

from core.errors import WrongState
from server.engine.workflows.claims import unknown_workflow
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey


class Deletions:
    """The call that deletes a workflow. Its children stay."""

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
