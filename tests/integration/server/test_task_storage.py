"""Tasks as sets of rows, on real PostgreSQL."""

from __future__ import annotations

from uuid import UUID, uuid4

from core.payload import Json
from server.domain.task import NewTask
from server.storage.tasks import TaskRepository
from tests.support.running import OTHER_TENANT, TENANT, running_server


def _task(workflow_id: UUID | None = None, tenant_id: UUID = TENANT) -> NewTask:
    return NewTask(tenant_id, uuid4(), workflow_id, "kind", "queue", Json('{"n": 1.0}'), max_retries=3)


async def test_tasks_are_found_by_tenant_and_id(database: str) -> None:
    """The look-up returns workflow and kind of each task, and ignores another tenant's task of the same id."""
    async with running_server(database) as client, client.pool.transaction() as connection:
        storage = TaskRepository(client.pool)
        here, there = _task(), _task(tenant_id=OTHER_TENANT)
        await storage.insert(connection, [here, there])
        wanted = [(TENANT, here.id), (TENANT, there.id), (TENANT, uuid4())]
        assert await storage.existing(connection, wanted) == {(TENANT, here.id): (None, "kind")}
