"""Every text of every gRPC request, plugins' too, in every form in which it cannot be stored: refused, alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

import grpc
import pytest_asyncio
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from plugins.audit_log.plugin import AuditLogPlugin
from plugins.hello_world.plugin import HelloWorldPlugin
from plugins.worker_token.plugin import WorkerTokenPlugin
from proto.flovyn.v1 import query_pb2, task_pb2, worker_pb2, workflow_pb2
from tests.support.calls import rows
from tests.support.driving import Calls, create_promise, schedule_task
from tests.support.hostile import ESCAPED, FINE, INVALID_UTF8, RAW_NUL, in_turn
from tests.support.running import CONFIG, OTHER_KEY, OTHER_TENANT, TENANT, Client, bearer, running_server

ADMIN_KEY = "flovyn_sk_test_0123456789abcdef"
ALL = {**INVALID_UTF8, **RAW_NUL, **ESCAPED, **FINE}
BUGS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}
DEEPEST = 6
STREAM_S = 0.2
"""How long a streamed answer is waited for."""

Place = tuple[str, ...]
"""Names of fields that lead to a text; of a map, ``key`` or ``value`` comes last."""


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    admin = {"key": ADMIN_KEY, "tenant_id": str(TENANT), "principal_id": "api:test", "role": "ADMIN"}
    config = {**CONFIG, "auth": {"static_api_key": {"keys": [*CONFIG["auth"]["static_api_key"]["keys"], admin]}}}
    plugins = [HelloWorldPlugin, WorkerTokenPlugin, AuditLogPlugin]
    async with running_server(database, plugins, config, WORKER_TOKEN_SECRET="0123456789abcdef" * 2) as client:
        yield client


def _methods(client: Client) -> Iterator[MethodDescriptor]:
    for module in (query_pb2, task_pb2, worker_pb2, workflow_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from service.methods
    for offered in client.registry.grpc_services():
        yield from offered.descriptor.methods


def _places(message: Descriptor, depth: int = 0) -> Iterator[Place]:
    for field in message.fields:
        if field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
            yield (field.name,)
        elif field.message_type is not None and depth < DEEPEST:
            yield from ((field.name, *rest) for rest in _places(field.message_type, depth + 1))


def _fill(message: Message, place: Place, text: Any, ids: Mapping[str, str]) -> Message:
    """Fill a message's plain fields as usual, and put a text at a place."""
    for field in message.DESCRIPTOR.fields:
        if not field.has_presence and not field.is_repeated and field.message_type is None:
            setattr(message, field.name, _usual(field, ids))
    name, *rest = place
    field = message.DESCRIPTOR.fields_by_name[name]
    held: Any = getattr(message, name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        held["k" if rest == ["value"] else text] = text if rest == ["value"] else "v"
    elif field.message_type is not None:
        inner = held.add() if field.is_repeated else held
        _fill(inner, tuple(rest), text, ids)
    elif field.is_repeated:
        held.append(text)
    else:
        setattr(message, name, text)
    return message


def _usual(field: Any, ids: Mapping[str, str]) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return ids.get(field.name, "k")
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b'{"a": 1}'
    if field.type == FieldDescriptor.TYPE_ENUM:
        return field.enum_type.values[-1].number if field.name != "status" else 1
    return 1


def _type_at(message: Any, place: Place) -> int:
    field = message.fields_by_name[place[0]]
    return field.type if len(place) == 1 else _type_at(field.message_type, place[1:])


def _request(method: MethodDescriptor, place: Place, text: bytes, ids: Mapping[str, str]) -> bytes:
    """Return the bytes of a request with any bytes as the text at a place; no library would write them."""
    message = message_factory.GetMessageClass(method.input_type)()
    if _type_at(method.input_type, place) == FieldDescriptor.TYPE_BYTES:
        return _fill(message, place, b'"' + text + b'"', ids).SerializeToString()
    mark = b"~" * len(text)
    return _fill(message, place, mark.decode(), ids).SerializeToString().replace(mark, text)


async def _ids(client: Client) -> Mapping[str, str]:
    """Return the ids of usual requests: of a workflow that a worker holds, of its task and of its promise."""
    calls, queue, task_id = Calls(client), uuid4().hex, str(uuid4())
    workflow_id = await calls.start(queue=queue)
    await calls.step(schedule_task(task_id, queue=queue), create_promise("p"), queue=queue, status=1)
    poll = task_pb2.PollTaskRequest(worker_id="w", tenant_id=str(TENANT), queue=queue)
    assert (await client.tasks.PollTask(poll, metadata=bearer())).HasField("task")
    promise_id = next(
        data["promiseId"] for _, kind, data in await calls.events(workflow_id) if kind == "PROMISE_CREATED"
    )
    return {
        "tenant_id": str(TENANT),
        "workflow_execution_id": workflow_id,
        "parent_workflow_execution_id": workflow_id,
        "task_execution_id": task_id,
        "promise_id": promise_id,
        "child_workflow_execution_id": str(uuid4()),
        "worker_type": "UNIFIED",
        "level": "INFO",
        "display_name": uuid4().hex,
    }


async def _answered(client: Client, method: MethodDescriptor, data: bytes, **metadata: Any) -> grpc.StatusCode:
    """Return the status of a call beside a good one of another tenant, which must succeed."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    given = (
        *bearer(ADMIN_KEY if "plugins" in path else CONFIG["auth"]["static_api_key"]["keys"][0]["key"]),
        *metadata.items(),
    )
    good = workflow_pb2.StartWorkflowRequest(tenant_id=str(OTHER_TENANT), workflow_kind="good")
    status, _ = await asyncio.gather(
        _status(client, path, data, given, streamed=method.server_streaming),
        client.dispatch.StartWorkflow(good, metadata=bearer(OTHER_KEY)),
    )
    return status


async def _status(client: Client, path: str, data: bytes, metadata: Any, *, streamed: bool) -> grpc.StatusCode:
    try:
        if not streamed:
            unary: Any = client.channel.unary_unary(path)
            await unary(data, metadata=metadata)
            return grpc.StatusCode.OK
        stream: Any = client.channel.unary_stream(path)
        call = stream(data, metadata=metadata)
        with suppress(TimeoutError):
            await asyncio.wait_for(call.read(), STREAM_S)
        call.cancel()
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_hostile_texts_in_messages_are_refused_or_can_be_read_back(client: Client) -> None:
    """At every place of every message: in texts, in names and values of maps, inside payloads."""
    for method in _methods(client):
        for place in _places(method.input_type):
            ids = await _ids(client)
            is_text = _type_at(method.input_type, place) == FieldDescriptor.TYPE_STRING
            for name, text in in_turn(ALL).items():
                status = await _answered(client, method, _request(method, place, text, ids))
                what = (method.full_name, place, name, status)
                assert status not in BUGS, what
                assert status is grpc.StatusCode.INVALID_ARGUMENT or not (is_text and name in INVALID_UTF8), what
    await _all_can_be_read(client)


async def _all_can_be_read(client: Client) -> None:
    calls = Calls(client)
    for (workflow_id,) in await rows(client, "SELECT id FROM workflow_execution WHERE kind <> 'good'"):
        await calls.events(str(workflow_id))
        for part in ("", "/events", "/state", "/tasks", "/audit-events", "/children"):
            path = f"/api/v1/tenants/test/workflow-executions/{workflow_id}{part}"
            answer = await client.rest("GET", path, key=ADMIN_KEY)
            assert (answer.status_code, answer.json is not None) == (200, True), (path, answer.text)
    for path in (
        "tenants/test/workers",
        "tenants/test/task-definitions",
        "tenants/test/task-executions",
        "p/audit-log/events",
    ):
        answer = await client.rest("GET", f"/api/v1/{path}", key=ADMIN_KEY)
        assert (answer.status_code, answer.json is not None) == (200, True), (path, answer.text)


async def test_hostile_texts_in_metadata_harm_no_call(client: Client) -> None:
    """Binary metadata may hold any bytes; the other kind is ASCII, which grpc itself makes sure of."""
    method = workflow_pb2.DESCRIPTOR.services_by_name["WorkflowDispatch"].methods_by_name["StartWorkflow"]
    data = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k").SerializeToString()
    for text in (*INVALID_UTF8.values(), FINE["bidi controls"]):
        assert await _answered(client, method, data, **{"x-any-bin": text}) is grpc.StatusCode.OK
    assert await _answered(client, method, data, **{"x-any-bin": b"a\x00b"}) is grpc.StatusCode.INVALID_ARGUMENT
