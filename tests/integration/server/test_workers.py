"""Workers: registering, signs of life, and what becomes of the work of those that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio

from proto.flovyn.v1 import task_pb2, worker_pb2
from server.config.settings import EngineSettings
from server.engine.tasks.reports import LEASE_OVER
from server.engine.tasks.workers import WRITE_EVERY_S
from tests.support.calls import complete_task, poll, poll_task, rows, start, status_of, submit_task
from tests.support.driving import until
from tests.support.running import CONFIG, OTHER_KEY, TENANT, Client, bearer, running_server

_PATIENT = {**CONFIG, "engine": {"activation_lease": 1e6, "worker_silence": 1e6, "task_lease": 1e6}}


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server whose own services wait for longer than any test pretends to."""
    async with running_server(database, config=_PATIENT) as client:
        yield client


async def _register(client: Client, name: str = "worker-1", **fields: Any) -> str:
    request = worker_pb2.WorkerRegistrationRequest(
        **{"worker_name": name, "worker_type": "UNIFIED", "tenant_id": str(TENANT), **fields}
    )
    answer = await client.lifecycle.RegisterWorker(request, metadata=bearer())
    assert answer.success
    assert not answer.workflow_conflicts
    assert not answer.task_conflicts
    return str(answer.worker_id)


async def _silence(client: Client, what: str, seconds: int = 3600) -> None:
    """Let time pass for a table's rows: what they have said, they said long ago."""
    columns = {"worker": "last_heartbeat_at", "workflow_execution": "claimed_at", "task_execution": "claimed_at"}
    statement = f"UPDATE {what} SET {columns[what]} = now() - %s * interval '1 second'"
    async with client.pool.connection() as connection:
        await connection.execute(statement.encode(), [seconds])


async def _reclaim(client: Client) -> int:
    """Release the tasks whose lease of five minutes is over; return their number."""
    return await client.engine.tasks.reclaim(300)


async def _is_alive(client: Client) -> bool:
    return bool((await rows(client, "SELECT last_heartbeat_at > now() - interval '1 minute' FROM worker"))[0][0])


async def test_a_heartbeat_by_id_or_by_name_is_a_sign_of_life(client: Client) -> None:
    """Some workers say the id that they were given, some the name that they chose."""
    worker_id = await _register(client)
    for said in (worker_id, "worker-1"):
        await _silence(client, "worker")
        await client.lifecycle.SendHeartbeat(worker_pb2.WorkerHeartbeatRequest(worker_id=said), metadata=bearer())
        assert await _is_alive(client)


async def test_a_heartbeat_of_an_unknown_worker_is_refused(client: Client) -> None:
    """NOT_FOUND for an unknown worker and for another tenant's; INVALID_ARGUMENT for no id at all."""
    worker_id = await _register(client)

    async def beat(said: str, key: str | None = None) -> grpc.StatusCode:
        request = worker_pb2.WorkerHeartbeatRequest(worker_id=said)
        metadata = bearer() if key is None else bearer(key)
        return (await status_of(client.lifecycle.SendHeartbeat(request, metadata=metadata)))[0]

    assert await beat(str(uuid4())) is grpc.StatusCode.NOT_FOUND
    assert await beat(worker_id, OTHER_KEY) is grpc.StatusCode.NOT_FOUND
    assert await beat("") is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("ask", [poll, poll_task])
async def test_polling_is_a_sign_of_life_that_is_written_once_in_a_while(client: Client, ask: Any) -> None:
    """A poll under the worker's name or id is noted; the many that follow cost no write."""
    for said in (await _register(client), "worker-1"):
        await _silence(client, "worker")
        await ask(client, worker_id=said)
        await client.engine.workers.close()  # waits for the note
        assert await _is_alive(client)
        await _silence(client, "worker")
        for _ in range(3):
            await ask(client, worker_id=said)
        await client.engine.workers.close()
        assert not await _is_alive(client)
    assert EngineSettings().worker_silence / 2 > WRITE_EVERY_S


@pytest.mark.parametrize("polls_by", ["id", "name", "unknown"])
async def test_workflows_of_silent_workers_are_dispatched_again(client: Client, polls_by: str) -> None:
    """A workflow comes back when its worker is silent or unknown and the claim is old; a living worker keeps it."""
    worker_id = await _register(client)
    said = {"id": worker_id, "name": "worker-1", "unknown": "x" * 36}[polls_by]
    reclaim = client.engine.workflows.reclaim
    await start(client)
    assert await poll(client, worker_id=said) is not None
    assert await reclaim(300, 60) == 0
    await _silence(client, "workflow_execution", 200)
    if polls_by != "unknown":
        assert await reclaim(300, 60) == 0
        await _silence(client, "worker")
    assert await reclaim(300, 60) == 1
    assert await poll(client) is not None


async def test_a_silent_workflow_of_a_living_worker_comes_back_when_its_lease_is_over(client: Client) -> None:
    """Workers that share a name keep one another alive; the lease does not ask."""
    await _register(client)
    await start(client)
    await poll(client, worker_id="worker-1")
    await _silence(client, "workflow_execution", 301)
    assert await client.engine.workflows.reclaim(300, 60) == 1


async def test_a_task_whose_lease_is_over_is_tried_again(client: Client) -> None:
    """A namesake of its worker polls on; it counts as an attempt, and retries may be used up."""
    worker_id = await _register(client)
    task_id = await submit_task(client, max_retries=1)
    for attempt in (1, 2):
        task = await poll_task(client, worker_id="worker-1")
        assert task is not None
        assert task.execution_count == attempt
        await client.lifecycle.SendHeartbeat(worker_pb2.WorkerHeartbeatRequest(worker_id=worker_id), metadata=bearer())
        assert await _reclaim(client) == 0
        await _silence(client, "task_execution", 301)
        assert await _reclaim(client) == 1
    attempts = await rows(client, "SELECT attempt, status, error FROM task_attempt ORDER BY attempt")
    assert attempts == [(n, "FAILED", LEASE_OVER) for n in (1, 2)]
    assert (await rows(client, "SELECT status FROM task_execution"))[0] == ("FAILED",)
    code, _ = await status_of(complete_task(client, task_id))
    assert code is grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("seconds", "silent_for", "taken_back"), [(10, 11, 1), (600, 301, 0), (0, 299, 0), (0, 301, 1)]
)
async def test_the_time_out_of_a_kind_replaces_the_lease(
    client: Client, seconds: int, silent_for: int, taken_back: int
) -> None:
    """A shorter one and a longer one; zero means that the kind has none."""
    capability = worker_pb2.TaskCapability(kind="k", name="k", timeout_seconds=seconds)
    await _register(client, tasks=[capability])
    await submit_task(client)
    await poll_task(client)
    await _silence(client, "task_execution", silent_for)
    assert await _reclaim(client) == taken_back


def _note(name: str, **fields: Any) -> Callable[[Client, str], Awaitable[Any]]:
    async def call(client: Client, task_id: str) -> Any:
        request = getattr(task_pb2, f"{name}Request")(task_execution_id=task_id, **fields)
        return await getattr(client.tasks, name)(request, metadata=bearer())

    return call


SIGNS = {
    "heartbeat": _note("Heartbeat"),
    "progress": _note("ReportProgress", progress=0.5),
    "log line": _note("LogMessage", message="m"),
    "state write": _note("SetState", key="k", value=b"1"),
    "state read": _note("GetState", key="k"),
    "state removal": _note("ClearState", key="k"),
    "removal of all state": _note("ClearAllState"),
    "list of state": _note("GetStateKeys"),
    "stream chunk": _note("StreamTaskData", type=task_pb2.STREAM_EVENT_TYPE_TOKEN, payload="x"),
}


@pytest.mark.parametrize("sign", SIGNS.values(), ids=SIGNS.keys())
async def test_a_sign_of_life_of_a_task_renews_its_lease(
    database: str, monkeypatch: pytest.MonkeyPatch, sign: Callable[..., Awaitable[Any]]
) -> None:
    """Every call of a running task about itself, for as long as it goes on."""
    monkeypatch.setattr("server.engine.tasks.notes.SIGN_EVERY_S", 0.0)
    async with running_server(database, config=_PATIENT) as client:
        await _renewed_by(client, sign)


async def _renewed_by(client: Client, sign: Callable[..., Awaitable[Any]]) -> None:
    task_id = await submit_task(client)
    await poll_task(client)
    for _ in range(2):
        await _silence(client, "task_execution", 301)
        await sign(client, task_id)
        await client.engine.tasks.notes.close()  # waits for what is written in the background
        assert await _reclaim(client) == 0
        async with client.pool.connection() as connection:
            await connection.execute("UPDATE task_execution SET last_heartbeat_at = now() - interval '301 seconds'")
    assert await _reclaim(client) == 1


async def test_servers_that_look_at_the_same_time_take_a_task_back_once(database: str) -> None:
    """Two servers, each looking twice at once: one failed attempt, one retry."""
    async with running_server(database, config=_PATIENT) as here, running_server(database, config=_PATIENT) as there:
        await submit_task(here, max_retries=9)
        await poll_task(here, worker_id="dead")
        await _silence(here, "task_execution")
        await asyncio.gather(*(server.engine.tasks.reclaim(300) for server in (here, there, here, there)))
        assert await rows(here, "SELECT status, execution_count FROM task_execution") == [("PENDING", 1)]
        assert await rows(here, "SELECT count(*) FROM task_attempt") == [(1,)]


@pytest.mark.parametrize("ask", [poll, poll_task])
async def test_a_worker_whose_poll_is_parked_is_alive(database: str, ask: Any) -> None:
    """A poll is held for longer than a worker may be silent: its sign of life is written again meanwhile."""
    engine = {"poll_hold_ms": 60_000, "worker_silence": 1.0, "activation_lease": 1e6, "task_lease": 1e6}
    async with running_server(database, config={**CONFIG, "engine": engine}) as client:
        await _register(client)
        parked = asyncio.ensure_future(ask(client, worker_id="worker-1"))
        for _ in range(2):
            await _silence(client, "worker")
            await until(lambda: _is_alive(client), bool)
        parked.cancel()
        await asyncio.wait([parked])
