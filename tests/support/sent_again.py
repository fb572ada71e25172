"""Calls that are sent again and again: how to send one, what is told apart in its answers, and the state around it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

import grpc.aio
from falcon import testing
from google.protobuf.message import Message

from proto.flovyn.v1 import task_pb2, workflow_pb2
from server.engine.repeats import REPLAYED
from tests.support import calls, driving
from tests.support.running import CONFIG, TENANT, Client, Connection

CALLER_KEY = "flovyn_sk_test_0123456789abcdef"
_CALLER = {
    "key": CALLER_KEY,
    "tenant_id": str(TENANT),
    "principal_type": "User",
    "principal_id": "api:test",
    "role": "ADMIN",
}
SERVER: Mapping[str, Any] = {
    **CONFIG,
    "auth": {"static_api_key": {"keys": [*CONFIG["auth"]["static_api_key"]["keys"], _CALLER]}},
}

VOLATILE = {"updated_at", "last_heartbeat_at", "last_seen_at", "last_used_at", "registered_at"}
"""Columns with the time of a last sign of life: they move with every call, and nothing depends on a moment more."""
ASIDE = {"call_answer", "p_audit_log__events", "p_audit_log__chains"}
"""Tables of what was called, each time that it was."""

Answer = tuple[str, Any]
"""The answer to a caller: a status, and everything else."""


async def nothing() -> None:
    """Let nothing happen."""


class World:
    """A server, another worker's connection to it, and things in it to call about. Each has a queue of its own."""

    _numbers: ClassVar[itertools.count[int]] = itertools.count(1)

    def __init__(self, client: Client, elsewhere: Connection) -> None:
        self.client = client
        self._elsewhere: Any = elsewhere

    def name(self) -> str:
        """Return a name that nothing has."""
        return f"n{next(self._numbers)}"

    async def workflow(self, *commands: workflow_pb2.WorkflowCommand, claimed: bool = False) -> str:
        """Start a workflow; let a worker claim it, and submit commands where there are some."""
        queue = self.name()
        workflow_id = await calls.start(self.client, queue=queue)
        if claimed or commands:
            execution = await calls.poll(self.client, queue)
            assert execution is not None
            assert execution.id == workflow_id
        if commands:
            await calls.submit(self.client, workflow_id, *commands, status=driving.SUSPENDED)
        return workflow_id

    async def claim(self, workflow_id: str) -> None:
        """Let another worker claim a pending workflow."""
        queue = (await self.rows("SELECT queue FROM workflow_execution WHERE id = %(id)s", workflow_id))[0][0]
        assert await calls.poll(self._elsewhere, queue, worker_id="other") is not None

    async def claim_task(self, task_id: str) -> None:
        """Let another worker claim a pending task."""
        queue = (await self.rows("SELECT queue FROM task_execution WHERE id = %(id)s", task_id))[0][0]
        assert await calls.poll_task(self._elsewhere, queue, worker_id="other") is not None

    async def failed_workflow(self) -> str:
        """Start a workflow and let it fail."""
        workflow_id = await self.workflow(claimed=True)
        await calls.submit(self.client, workflow_id, driving.fail(), status=driving.FAILED)
        return workflow_id

    async def end(self, workflow_id: str) -> None:
        """Let a workflow complete that is pending or claimed."""
        queue, status = (
            await self.rows("SELECT queue, status FROM workflow_execution WHERE id = %(id)s", workflow_id)
        )[0]
        if status == "PENDING":
            assert await calls.poll(self.client, queue) is not None
        await calls.submit(self.client, workflow_id, driving.complete(), status=driving.COMPLETED)

    async def promise(self) -> tuple[str, str]:
        """Let a workflow create a promise; return both ids."""
        workflow_id = await self.workflow(driving.create_promise("p"))
        events = await calls.events(self.client, workflow_id)
        return workflow_id, next(data["promiseId"] for _, kind, data in events if kind == "PROMISE_CREATED")

    async def task(self, *, running: bool = True, **fields: Any) -> str:
        """Create a standalone task, and let a worker claim it."""
        queue = self.name()
        task_id = await calls.submit_task(self.client, queue=queue, **fields)
        if running:
            claimed = await calls.poll_task(self.client, queue)
            assert claimed is not None
            assert claimed.task_execution_id == task_id
        return task_id

    async def stateful_task(self, **state: object) -> str:
        """Create a task that keeps state."""
        task_id = await self.task()
        for key, value in state.items():
            await self.set_state(task_id, key, value)
        return task_id

    async def set_state(self, task_id: str, key: str, value: object) -> None:
        """Let a task keep a value."""
        request = task_pb2.SetStateRequest(task_execution_id=task_id, key=key, value=json.dumps(value).encode())
        await self.client.tasks.SetState(request, metadata=metadata())

    async def made(self, path: str, body: object, *, status: int = 201) -> dict[str, Any]:
        """POST; return the answer."""
        answer = await self.client.rest("POST", path, body, CALLER_KEY)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json
        return found

    async def rows(self, query: str, entity: str) -> list[tuple[Any, ...]]:
        """Return the rows of one thing."""
        return await calls.rows(self.client, query, id=UUID(entity))

    async def state(self) -> dict[str, str]:
        """Return a digest of every table, without what moves with every call."""
        columns = await calls.rows(
            self.client,
            "SELECT table_name, array_agg(column_name::text ORDER BY column_name) FROM information_schema.columns"
            " WHERE table_schema = 'public' GROUP BY table_name ORDER BY table_name",
        )
        found = {}
        for table, names in columns:
            if table in ASIDE:
                continue
            shown = ", ".join(f'"{name}"' for name in names if name not in VOLATILE)
            rows = await calls.rows(self.client, f'SELECT {shown} FROM "{table}"')
            found[table] = hashlib.sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest()
        return found


def new_connection(port: int) -> grpc.aio.Channel:
    """Return a channel that shares no connection with the others of this process."""
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])


@asynccontextmanager
async def world_of(client: Client) -> AsyncIterator[World]:
    """Lend the world of a server."""
    async with new_connection(client.settings.grpc_server_port) as channel:
        yield World(client, Connection(channel))


@dataclass(frozen=True)
class Sent:
    """A call that is ready to be sent, over gRPC or REST.

    Attributes:
        content: the message, the messages of a streamed request, or the body of a request.
        later: what happens before the call is sent once more, late: what it was about moves on, or ends.
        path: of a request.
    """

    content: Any
    later: Callable[[], Awaitable[Any]] = nothing
    path: str = ""


@dataclass(frozen=True)
class Case:
    """One call of the table.

    Attributes:
        operation: ``/package.Service/Method``, or ``METHOD /path`` of the route.
        prepare: makes what it needs, and the call.
        moves_on: why the answer differs when the call is sent late: it tells how things are then.
        caller: whose key.
    """

    operation: str
    prepare: Callable[[World], Awaitable[Sent]]
    moves_on: str = ""
    caller: str = field(default=CALLER_KEY, repr=False)

    @property
    def is_grpc(self) -> bool:
        """Whether it is a gRPC call."""
        return self.operation.startswith("/")


def metadata(key: str | None = None, caller: str = CALLER_KEY) -> tuple[tuple[str, str], ...]:
    """Return the metadata, or the headers, of a call."""
    return (("authorization", f"Bearer {caller}"), *((("idempotency-key", key),) if key is not None else ()))


async def send(
    case: Case, sent: Sent, client: Client, key: str | None, channel: grpc.aio.Channel | None = None
) -> Answer:
    """Send a call; return what its caller is told."""
    if case.is_grpc:
        return await _send_grpc(case, sent.content, channel or client.channel, key)
    method = case.operation.partition(" ")[0]
    headers = dict(metadata(key, case.caller))
    async with testing.ASGIConductor(client.app) as conductor:
        answer = await conductor.simulate_request(method, sent.path, headers=headers, json=sent.content)
    shown = {name: value for name, value in answer.headers.items() if name not in {"x-request-id", REPLAYED}}
    return str(answer.status_code), (answer.content, shown)


async def _send_grpc(
    case: Case, message: Message | list[Message], channel: grpc.aio.Channel, key: str | None
) -> Answer:
    call: Any
    if isinstance(message, list):
        call = channel.stream_unary(case.operation, request_serializer=type(message[0]).SerializeToString)
    else:
        call = channel.unary_unary(case.operation, request_serializer=type(message).SerializeToString)
    try:
        answer = await call(message, metadata=metadata(key, case.caller), timeout=20)
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details()
    return "OK", answer


def was_done(answer: Answer) -> bool:
    """Whether the answer tells of success."""
    return answer[0] == "OK" or answer[0].startswith("2")
