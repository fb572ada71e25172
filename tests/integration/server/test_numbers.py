"""Numbers that nothing can hold, in every field of every call: the caller is told, and the server has no error."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from copy import deepcopy
from typing import Any

import grpc
import psycopg
import pytest
import pytest_asyncio
from google.protobuf import descriptor, message_factory
from google.protobuf.message import Message

from core.errors import AlreadyExists, FlovynError, InvalidInput
from plugins.audit_log.plugin import AuditLogPlugin
from plugins.hello_world import greeting_pb2
from plugins.hello_world.plugin import HelloWorldPlugin
from plugins.jwt.plugin import JwtPlugin
from plugins.worker_token.plugin import WorkerTokenPlugin
from server.config.settings import DatabasePool
from server.database.pool import open_pool
from tests.support.calls import status_of
from tests.support.running import OPERATOR_KEY, TENANT, Client, bearer, running_server
from tests.support.sent_again import CALLER_KEY, SERVER, Case, Sent, World, metadata, world_of
from tests.support.sent_again_cases import CASES

NUMBERS = [2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, -1, 10**30, -(10**30)]
PLUGINS = [AuditLogPlugin, HelloWorldPlugin, JwtPlugin, WorkerTokenPlugin]
TIMES = [
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
]

_Field = descriptor.FieldDescriptor
OF_FIELDS: Mapping[int, list[Any]] = {
    _Field.CPPTYPE_INT32: [2**31 - 1, -(2**31), -1],
    _Field.CPPTYPE_INT64: [2**31, 2**53 + 1, 2**63 - 1, -(2**63), -1],
    _Field.CPPTYPE_UINT32: [2**31, 2**32 - 1],
    _Field.CPPTYPE_UINT64: [2**31, 2**63, 2**64 - 1],
    _Field.CPPTYPE_DOUBLE: [1e308, -1.0, float("inf"), float("nan")],
    _Field.CPPTYPE_FLOAT: [3e38, -1.0, float("inf"), float("nan")],
}
MOST_VALUES = max(map(len, OF_FIELDS.values()))
BUGS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}

Path = tuple[str, ...]


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    async with running_server(database, PLUGINS, SERVER, WORKER_TOKEN_SECRET="s" * 32) as client:
        yield client


@pytest_asyncio.fixture
async def world(client: Client) -> AsyncIterator[World]:
    async with world_of(client) as world:
        yield world


# over gRPC


def _number_fields(kind: descriptor.Descriptor, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield the ways to the numbers of a message, through those that it holds."""
    for field in kind.fields:
        if field.message_type is None:
            if field.cpp_type in OF_FIELDS and field.enum_type is None:
                yield (field.name,)
        elif not field.message_type.GetOptions().map_entry and field.message_type.full_name not in above:
            inner = _number_fields(field.message_type, above | {kind.full_name})
            yield from ((field.name, *rest) for rest in inner)


def _with(message: Message, path: Path, pick: int) -> Message | None:
    """Return a copy with one number changed; None when the field has no such value."""
    changed = type(message)()
    changed.CopyFrom(message)
    at: Any = changed
    for name in path[:-1]:
        field = at.DESCRIPTOR.fields_by_name[name]
        at = getattr(at, name)
        if field.is_repeated:
            at = at[0] if len(at) else at.add()
    field = at.DESCRIPTOR.fields_by_name[path[-1]]
    values = OF_FIELDS[field.cpp_type]
    if pick >= len(values):
        return None
    if field.is_repeated:
        getattr(at, path[-1]).append(values[pick])
    else:
        setattr(at, path[-1], values[pick])
    return changed


def _reading(client: Client) -> Iterator[tuple[str, descriptor.Descriptor]]:
    """Yield the methods that are not in the table of calls that change something, and answer once."""
    known = {case.operation for case in CASES}
    for service in client.grpc_services:
        for method in service.descriptor.methods:
            name = f"/{service.descriptor.full_name}/{method.name}"
            if name not in known and not method.server_streaming:
                yield name, method.input_type


async def _status(client: Client, name: str, message: Message, caller: str) -> grpc.StatusCode:
    call: Any = client.channel.unary_unary(name, request_serializer=type(message).SerializeToString)
    try:
        await call(message, metadata=metadata(caller=caller), timeout=20)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def _about(world: World, kind: descriptor.Descriptor) -> Message:
    """Return a message about things that are there."""
    message = message_factory.GetMessageClass(kind)()
    ids = {"tenant_id": str(TENANT), "workflow_execution_id": "", "task_execution_id": ""}
    for field in kind.fields:
        if field.name == "workflow_execution_id":
            ids[field.name] = await world.workflow()
        if field.name == "task_execution_id":
            ids[field.name] = await world.task()
        if field.name in ids:
            setattr(message, field.name, ids[field.name])
    return message


async def _first_message(case: Case, world: World) -> Any:
    """Return the request of a case, or the first request of its stream."""
    content = (await case.prepare(world)).content
    return content[0] if isinstance(content, list) else content


async def _messages(client: Client, world: World) -> AsyncIterator[tuple[str, Path, Message, str]]:
    """Yield every method with each number of its message changed, in a call that is right otherwise, and a caller."""
    for case in (case for case in CASES if case.is_grpc):
        for path in _number_fields((await _first_message(case, world)).DESCRIPTOR):
            for pick in range(MOST_VALUES):
                if (changed := _with(await _first_message(case, world), path, pick)) is not None:
                    yield case.operation, path, changed, case.caller
    for name, kind in _reading(client):
        message = await _about(world, kind)
        for path in _number_fields(kind):
            for pick in range(MOST_VALUES):
                if (changed := _with(message, path, pick)) is not None:
                    yield name, path, changed, CALLER_KEY
                    yield name, path, changed, OPERATOR_KEY


async def test_no_number_is_an_error_of_the_server_over_grpc(client: Client, world: World) -> None:
    """Every number of every message, those of plugins too, one after the other."""
    wrong, tried = [], 0
    async for name, path, message, caller in _messages(client, world):
        code = await _status(client, name, message, caller)
        tried += 1
        if code in BUGS:
            wrong.append((name, path, str(message)[:200], code))
    assert wrong == []
    assert tried > 150


# over REST


def _resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"][2:].split("/"):
            found = found[part]
        schema = found
    return schema


def _places(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Yield the ways to what is a number or a time in a body, with its schema."""
    schema = _resolved(schema, document)
    if schema.get("type") in {"integer", "number"} or schema.get("format") == "date-time":
        yield (), schema
    for alternative in (each for kind in ("anyOf", "oneOf", "allOf") for each in schema.get(kind, ())):
        yield from _places(alternative, document)
    for name, inner in schema.get("properties", {}).items():
        yield from (((name, *rest), found) for rest, found in _places(inner, document))


def _values(schema: Mapping[str, Any]) -> list[Any]:
    return TIMES if schema.get("format") == "date-time" else NUMBERS


def _put(body: Any, path: Path, value: Any) -> Any:
    """Return a copy of a body in which a value stands at a place."""
    changed = deepcopy(body) if isinstance(body, dict) else {}
    at = changed
    for name in path[:-1]:
        at = at.setdefault(name, {})
    at[path[-1]] = value
    return changed


def _verdict(status: int, schema: Mapping[str, Any], value: Any) -> str | None:
    """Return the fault of a status, if any: numbers outside of the published range are refused."""
    if status >= 500:
        return f"answers {status}"
    outside = isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return f"answers {status} though it is outside of the range" if outside and status != 400 else None


def _bodies(document: Mapping[str, Any]) -> Iterator[tuple[Case, Path, Any]]:
    for case in (case for case in CASES if not case.is_grpc):
        method, _, template = case.operation.partition(" ")
        operation = next(
            found[method.lower()]
            for path, found in document["paths"].items()
            if _same(path, template) and method.lower() in found
        )
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for path, schema in dict(_places(content.get("schema", {}), document)).items():
            yield case, path, schema


def _same(path: str, template: str) -> bool:
    return re.sub(r"\{[^}]*\}", "{}", path) == re.sub(r"\{[^}]*\}", "{}", template)


async def test_no_number_or_time_of_a_body_is_an_error_of_the_server(client: Client, world: World) -> None:
    """Every number and time of every body, in a request that is right otherwise."""
    document = client.openapi()
    wrong, tried = [], 0
    for case, path, schema in _bodies(document):
        for value in _values(schema):
            sent: Sent = await case.prepare(world)
            method = case.operation.partition(" ")[0]
            answer = await client.rest(method, sent.path, _put(sent.content, path, value), case.caller)
            tried += 1
            if problem := _verdict(answer.status_code, schema, value):
                wrong.append((case.operation, path, value, problem, answer.text[:100]))
    assert wrong == []
    assert tried > 30


async def _ids(world: World) -> Mapping[str, str]:
    """Return an id of each kind, by the segment before it."""
    schedule = {
        "name": world.name(),
        "scheduleType": {"type": "recurring", "cron": "0 5 1 1 *", "timezone": "UTC"},
        "target": {"type": "workflow", "workflowKind": "k"},
    }
    made = await world.made("/api/v1/tenants/test/schedules", schedule)
    task = await world.task()
    return {
        "workflow-executions": await world.workflow(),
        "task-executions": task,
        "schedules": made["id"],
        "tasks": task,
    }


async def test_no_number_of_a_query_is_an_error_of_the_server(client: Client, world: World) -> None:
    """Every number among the parameters of every route; ids lead to what is there."""
    document, ids = client.openapi(), await _ids(world)
    wrong, tried = [], 0
    for template, operations in document["paths"].items():
        path = re.sub(r"([^/]+)/\{[^}]*\}", lambda found: f"{found[1]}/{ids.get(found[1], 'test')}", template)
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                schema = _resolved(parameter["schema"], document)
                if parameter["in"] != "query" or schema.get("type") != "integer":
                    continue
                for value in NUMBERS:
                    for key in (CALLER_KEY, OPERATOR_KEY):
                        answer = await client.rest(
                            method.upper(), path, key=key, params={parameter["name"]: str(value)}
                        )
                        tried += 1
                        refused = answer.status_code in {403, 404}
                        if not refused and (problem := _verdict(answer.status_code, schema, value)):
                            wrong.append((method, path, parameter["name"], value, problem))
    assert wrong == []
    assert tried > 200


# the database refuses this one

GREETINGS = "p_hello_world__greetings"


async def _greeted(client: Client, name: str) -> tuple[int, str, grpc.StatusCode, str]:
    """Greet over REST and over gRPC, and return how both were refused."""
    answer = await client.rest("POST", "/api/v1/p/hello-world/greetings", {"name": name}, CALLER_KEY)
    call: Any = client.channel.unary_unary(
        "/flovyn.plugins.hello_world.v1.GreetingService/Greet",
        request_serializer=greeting_pb2.GreetRequest.SerializeToString,
    )
    code, text = await status_of(call(greeting_pb2.GreetRequest(name=name), metadata=bearer(CALLER_KEY)))
    return answer.status_code, answer.json["error"], code, text


async def test_a_plugins_own_constraint_is_no_call_at_the_same_moment(client: Client, database: str) -> None:
    """To try again would not help: the caller is told which constraint it is."""
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"CREATE UNIQUE INDEX {GREETINGS}_times ON {GREETINGS} (tenant_id, times)".encode())
    await client.rest("POST", "/api/v1/p/hello-world/greetings", {"name": "Ada"}, CALLER_KEY)
    status, text, code, said = await _greeted(client, "Bob")
    assert (status, code) == (409, grpc.StatusCode.ALREADY_EXISTS)
    assert text == said == f"a row with the same values exists already; the values must be unique ({GREETINGS}_times)"


async def test_a_number_that_a_plugins_column_cannot_hold_is_the_callers(client: Client, database: str) -> None:
    """400 and INVALID_ARGUMENT, in words, without the value."""
    await client.rest("POST", "/api/v1/p/hello-world/greetings", {"name": "Ada"}, CALLER_KEY)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"UPDATE {GREETINGS} SET times = 2147483647".encode())
    status, text, code, said = await _greeted(client, "Ada")
    assert (status, code) == (400, grpc.StatusCode.INVALID_ARGUMENT)
    assert text == said == "a number is outside the range that the database can store"


REFUSED = {
    "1, 1, 'x', now()": (AlreadyExists, "p_numbers__things_pkey"),
    "2, 99999, 'x', now()": (InvalidInput, "a number is outside the range"),
    "2, -1, 'x', now()": (InvalidInput, "violates the constraint p_numbers__things_b_check"),
    "2, 1, 'long', now()": (InvalidInput, "a text is longer"),
    "2, 1, 'x', now() + interval '1000000 years'": (InvalidInput, "a timestamp is outside"),
    "'zwei', 1, 'x', now()": (InvalidInput, "a value is malformed"),
    "2, 1 / 0, 'x', now()": (FlovynError, "PostgreSQL refused a statement"),
}


@pytest.mark.parametrize("values", REFUSED)
async def test_the_databases_refusals_of_a_plugin_are_told_apart(database: str, values: str) -> None:
    """A constraint of its own, a value that does not fit, and a bug, which no input caused."""
    kind, text = REFUSED[values]
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(
            "CREATE TABLE p_numbers__things (a int PRIMARY KEY, b smallint CHECK (b > 0), c varchar(3), d timestamptz)"
        )
        admin.execute("INSERT INTO p_numbers__things VALUES (1, 1, 'x', now())")
    async with open_pool(database, DatabasePool()) as pool:
        with pytest.raises(FlovynError, match=text) as refused:
            await _insert(pool, f"INSERT INTO p_numbers__things VALUES ({values})")
    assert type(refused.value) is kind
    assert "a concurrent call" not in str(refused.value)


async def _insert(pool: Any, statement: str) -> None:
    async with pool.connection() as connection:
        await connection.execute(statement.encode())


async def test_an_id_of_the_core_may_be_tried_again(database: str) -> None:
    """There, it was another call a concurrent call."""
    tenant = "INSERT INTO tenant (id, slug, name) VALUES (gen_random_uuid(), 'twice', 'n')"
    async with open_pool(database, DatabasePool()) as pool:
        await _insert(pool, tenant)
        with pytest.raises(AlreadyExists, match="a concurrent call"):
            await _insert(pool, tenant)
