"""Messages of every kind to every unary method of flovyn.v1: valid ones, almost valid ones, and bytes that are none."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from uuid import uuid4

import grpc
import pytest_asyncio
from google.protobuf import descriptor, message_factory
from google.protobuf.message import Message

from proto.flovyn.v1 import query_pb2, task_pb2, worker_pb2, workflow_pb2
from tests.support.calls import poll_task, rows, status_of, submit_task
from tests.support.driving import Calls, create_promise, schedule_task
from tests.support.repetitions import times
from tests.support.running import OTHER_TENANT, TENANT, Client, bearer, running_server

MESSAGES = times(60, 3000)
"""To each method."""

SAID = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
}
"""The statuses that a known caller may get; INTERNAL and UNKNOWN would be bugs, UNAVAILABLE a database that is down."""

WRITTEN = (
    "workflow_execution",
    "workflow_event WHERE event_type NOT IN ('TIMER_FIRED', 'PROMISE_TIMEOUT', 'TASK_FAILED')",
    "task_execution",
    "task_log",
    "task_state",
    "promise",
    "worker",
)
"""The rows that calls write, without those that the server writes by itself when a timer or a deadline is due."""

_Field = descriptor.FieldDescriptor
NUMBERS: Mapping[int, list[Any]] = {
    _Field.CPPTYPE_INT32: [0, 1, 60, -1, 2**31 - 1, -(2**31)],
    _Field.CPPTYPE_INT64: [0, 1, 1000, 86400, -1, 2**63 - 1, -(2**63)],
    _Field.CPPTYPE_BOOL: [False, True],
    _Field.CPPTYPE_DOUBLE: [0.0, 0.5, 1.0, -1.0, 1e300, float("inf"), float("nan")],
}

Ids = list[str]


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database) as client:
        yield client


def _methods() -> Iterator[descriptor.MethodDescriptor]:
    for module in (query_pb2, task_pb2, worker_pb2, workflow_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from (method for method in service.methods if not method.server_streaming)


class Maker:
    """Makes messages at random, of values that are often right, often nearly so; the seed decides all of them."""

    def __init__(self, seed: str, ids: Ids) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._ids = ids
        self._wrong = self._random.choice([0.0, 0.02, 0.1, 0.4])
        """How likely a value is one that may not be right."""

    def data(self, kind: type[Message]) -> bytes:
        """Return a message's bytes: mostly whole, sometimes damaged, sometimes none at all."""
        data = bytearray(self.message(kind).SerializeToString())
        match self._random.randrange(10) if self._wrong else 9:
            case 0:
                return self._random.randbytes(self._random.randrange(60))
            case 1 if data:
                for _ in range(self._random.randrange(1, 4)):
                    data[self._random.randrange(len(data))] = self._random.randrange(256)
            case 2:
                del data[self._random.randrange(len(data) + 1) :]
        return bytes(data)

    def message(self, kind: type[Message]) -> Message:
        """Return a message whose fields are set more often than not."""
        message = kind()
        for field in message.DESCRIPTOR.fields:
            if self._random.random() < 0.85:
                self._fill(message, field)
        return message

    def _fill(self, message: Message, field: Any) -> None:
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            for _ in range(self._random.choice([0, 1, 1, 51])):
                getattr(message, field.name)[self._text("key")] = self._text("value")
        elif field.is_repeated:
            count = self._random.choice([0, 1, 1, 2, 3])
            if entry is None:
                getattr(message, field.name).extend(self._scalar(field) for _ in range(count))
            else:
                getattr(message, field.name).extend(self._made(entry) for _ in range(count))
        elif entry is not None:
            getattr(message, field.name).CopyFrom(self._made(entry))
        else:
            setattr(message, field.name, self._scalar(field))

    def _made(self, entry: Any) -> Message:
        return self.message(message_factory.GetMessageClass(entry))

    def _scalar(self, field: Any) -> Any:
        if field.type == field.TYPE_BYTES:
            return self._payload()
        if field.type == field.TYPE_STRING:
            return self._text(field.name)
        if field.type == field.TYPE_ENUM:
            right = [value.number for value in field.enum_type.values if value.number]
            return self._random.choice([0, 99, -1] if self._is_wrong() else right)
        numbers = NUMBERS[field.cpp_type]
        return self._random.choice(numbers if self._is_wrong() else numbers[1:3])

    def _is_wrong(self) -> bool:
        return self._random.random() < self._wrong

    def _text(self, name: str) -> str:
        right = str(TENANT) if name == "tenant_id" else self._ids
        usual = right if isinstance(right, str) else self._random.choice(right)
        if not self._is_wrong():
            usual_name = {"worker_type": "UNIFIED", "level": "INFO", "idempotency_key": usual}.get(name, "k")
            return usual if name.endswith("_id") else usual_name
        some = uuid4()
        ids = [str(some), str(OTHER_TENANT), some.hex, f"{{{some}}}", f"{some}:p", usual.upper()]
        texts = [
            "",
            "k",
            "0",
            "\x00",
            "a\x00b",
            "x" * 256,
            "x" * 70_000,
            "\U0001f600",
            "_flovyn_a",
            "'; --",
            "%s",
            "../..",
        ]
        return self._random.choice(ids + texts)

    def _payload(self) -> bytes:
        good = [
            b"",
            b"null",
            b"{}",
            b'{"a": [1, 2.50, "\xc3\xa4"]}',
            b"12345678901234567890123",
            b'"\\u0000"',
            b"[1e5]",
        ]
        bad = [
            b"{",
            b"\xff",
            b"NaN",
            b"[" * 3000,
            b'"\\ud800"',
            b"1e999",
            b"'a'",
            b" ",
            b'{"a":}',
            b"\x00",
            b"\xef\xbb\xbf{}",
        ]
        return self._random.choice(bad if self._is_wrong() else good)


async def _things(client: Client) -> Ids:
    """Return ids of a running workflow, of its task and promise, and of a task that is being tried."""
    calls = Calls(client)
    workflow_id, task_id = await calls.start(queue="seed"), str(uuid4())
    await calls.step(schedule_task(task_id, queue="seed"), create_promise("p"), queue="seed", status=1)
    promise_id = next(
        data["promiseId"] for _, kind, data in await calls.events(workflow_id) if kind == "PROMISE_CREATED"
    )
    standalone = await submit_task(client, queue="seed")
    for _ in range(2):
        assert await poll_task(client, "seed") is not None
    return [
        workflow_id,
        workflow_id,
        await calls.start(queue="waiting"),
        task_id,
        standalone,
        promise_id,
        f"{workflow_id}:p",
        "name",
    ]


async def _count(client: Client) -> tuple[Any, ...]:
    counts = ", ".join(f"(SELECT count(*) FROM {each})" for each in WRITTEN)
    return (await rows(client, f"SELECT {counts}"))[0]


async def test_every_message_is_answered_as_the_protocol_says(client: Client) -> None:
    """A status that tells the caller what is wrong, with a text and without the server's insides; a refusal writes nothing.

    Histories stay numbered 1..n whatever came.
    """
    for method in _methods():
        ids = await _things(client)
        for number in range(MESSAGES):
            await _send(client, method, Maker(f"{method.full_name} {number}", ids))
    gaps = "SELECT count(*) FROM workflow_execution AS w WHERE w.last_sequence <> (SELECT count(*) FROM workflow_event AS e WHERE e.workflow_execution_id = w.id)"
    assert await rows(client, gaps) == [(0,)]


async def test_no_method_is_open_to_strangers(client: Client) -> None:
    """UNAUTHENTICATED without a key and with a wrong one, before anything of the message is looked at."""
    for method in _methods():
        call: Any = client.channel.unary_unary(f"/{method.containing_service.full_name}/{method.name}")
        for metadata in ((), bearer("an unknown key 0123456789")):
            assert (await status_of(call(b"\xff", metadata=metadata)))[0] is grpc.StatusCode.UNAUTHENTICATED


async def _send(client: Client, method: descriptor.MethodDescriptor, maker: Maker) -> None:
    service = method.containing_service
    call: Any = client.channel.unary_unary(f"/{service.full_name}/{method.name}")
    data = maker.data(message_factory.GetMessageClass(method.input_type))
    before = await _count(client)
    try:
        async with asyncio.timeout(30):
            await call(data, metadata=bearer())
    except grpc.aio.AioRpcError as error:
        code, text = error.code(), error.details() or ""
    else:
        return
    what = (method.full_name, code, text, data[:500])
    assert code in SAID, what
    assert len(text) > 10, what
    assert not any(inside in text for inside in ("Traceback", "psycopg", ".py", "SELECT")), what
    assert await _count(client) == before, what
