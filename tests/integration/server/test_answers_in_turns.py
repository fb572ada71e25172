"""Large answers are converted in pieces, each in a turn of the tenant, and come out whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from typing import Any

import pytest

from core.pacing import CHUNK_BYTES, Turns
from proto.flovyn.v1 import workflow_pb2
from tests.support.calls import events, poll, start, submit, submit_task
from tests.support.running import TENANT, WORKER_KEY, running_server

LARGE = "a" * (CHUNK_BYTES + 1)
SUSPENDED = workflow_pb2.WORKFLOW_STATUS_SUSPENDED


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> list[Hashable]:
    """Return the owners of all turns, in order."""
    seen: list[Hashable] = []
    original = Turns.run

    async def recorded(self: Turns, owner: Hashable, work: Callable[[], Any]) -> Any:
        seen.append(owner)
        return await original(self, owner, work)

    monkeypatch.setattr(Turns, "run", recorded)
    return seen


async def test_a_history_is_answered_in_turns(database: str, owners: list[Hashable]) -> None:
    """Over both protocols, one turn for each large event."""
    async with running_server(database) as client:
        workflow_id = await start(client, data="input")
        assert await poll(client) is not None
        commands = [
            workflow_pb2.WorkflowCommand(
                record_operation=workflow_pb2.RecordOperationCommand(
                    operation_name=f"n{number}", result=json.dumps(LARGE).encode()
                )
            )
            for number in range(5)
        ]
        await submit(client, workflow_id, *commands, status=SUSPENDED)
        owners.clear()
        history = await events(client, workflow_id)
        assert len(owners) >= 5
        owners.clear()
        path = f"/api/v1/tenants/test/workflow-executions/{workflow_id}/events"
        shown = (await client.rest("GET", path, key=WORKER_KEY)).json["events"]
        assert len(owners) >= 5
        assert set(owners) == {TENANT}
        assert [(each["sequence"], each["eventType"], each["data"]) for each in shown] == history
        assert sum(LARGE in json.dumps(data) for _, _, data in history) == 5


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_list_is_answered_whole_however_many_parts_it_has(
    database: str, count: int, owners: list[Hashable]
) -> None:
    async with running_server(database) as client:
        made = [await submit_task(client, data=LARGE) for _ in range(count)]
        owners.clear()
        answer = await client.rest("GET", "/api/v1/tenants/test/task-executions", key=WORKER_KEY)
        assert len(owners) == count
        assert answer.json["total"] == count
        assert {each["id"] for each in answer.json["tasks"]} == set(made)
        assert all(each["input"] == LARGE for each in answer.json["tasks"])
        assert int(answer.headers["content-length"]) == len(answer.content)
