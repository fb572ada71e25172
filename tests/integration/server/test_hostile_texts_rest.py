"""Every text of every REST request, plugins' too, in every form in which it cannot be stored: refused, alone."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from plugins.audit_log.plugin import AuditLogPlugin
from plugins.hello_world.plugin import HelloWorldPlugin
from plugins.jwt.plugin import JwtPlugin
from plugins.worker_token.plugin import WorkerTokenPlugin
from proto.flovyn.v1 import workflow_pb2
from tests.support.driving import Calls, create_promise, schedule_task
from tests.support.hostile import (
    ESCAPED,
    FINE,
    INVALID_UTF8,
    RAW_NUL,
    Answer,
    as_url,
    ask,
    in_turn,
    places,
    replaced,
    sample,
)
from tests.support.running import CONFIG, OPERATOR_KEY, OTHER_KEY, OTHER_TENANT, TENANT, Client, bearer, running_server

ADMIN_KEY = "flovyn_sk_test_0123456789abcdef"
MARK = "~mark~"
BAD = {**INVALID_UTF8, **RAW_NUL, **{name: text for name, text in ESCAPED.items() if "NUL" not in name}}
ALL = {**INVALID_UTF8, **RAW_NUL, **ESCAPED, **FINE}
PLUGINS = [HelloWorldPlugin, WorkerTokenPlugin, JwtPlugin, AuditLogPlugin]

Operation = tuple[str, str, Any]
"""Method, path and description."""


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    admin = {"key": ADMIN_KEY, "tenant_id": str(TENANT), "principal_id": "api:test", "role": "ADMIN"}
    keys = [*CONFIG["auth"]["static_api_key"]["keys"], admin]
    config = {**CONFIG, "auth": {"static_api_key": {"keys": keys}}}
    async with running_server(database, PLUGINS, config, WORKER_TOKEN_SECRET="0123456789abcdef" * 2) as client:
        yield client


async def _document(client: Client) -> Any:
    return (await client.rest("GET", "/api/docs/openapi.json")).json


def _operations(document: Any) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            yield method.upper(), path, about


def _body_schema(about: Any) -> Any:
    return about["requestBody"]["content"]["application/json"]["schema"] if "requestBody" in about else None


async def _ids(client: Client) -> Mapping[str, str]:
    """Return ids of new things that are there, by the collection in which a path names them."""
    calls = Calls(client)
    queue, task_id = uuid4().hex, str(uuid4())
    workflow_id = await calls.start(queue=queue)
    await calls.step(schedule_task(task_id), create_promise("p"), queue=queue)
    promise_id = next(
        data["promiseId"] for _, kind, data in await calls.events(workflow_id) if kind == "PROMISE_CREATED"
    )
    schedule = {
        "name": f"s {workflow_id}",
        "scheduleType": {"type": "recurring", "cron": "0 0 1 1 *"},
        "target": {"type": "workflow", "workflowKind": "k"},
    }
    made = await client.rest("POST", "/api/v1/tenants/test/schedules", schedule, key=ADMIN_KEY)
    token = await client.rest("POST", "/api/v1/p/worker-token/tokens", {"displayName": "t"}, key=ADMIN_KEY)
    return {
        "workflow-executions": workflow_id,
        "task-executions": task_id,
        "promises": promise_id,
        "schedules": made.json["id"],
        "tokens": token.json["id"],
    }


def _target(path: str, ids: Mapping[str, str], hostile: Mapping[str, bytes] = {}) -> bytes:
    """Return the path with an id in each place, or with something hostile there."""
    parts: list[bytes] = []
    for before, part in itertools.pairwise(path.split("/")):
        name = part.strip("{}")
        usual = "test" if name == "slug" else ids.get(before, "k")
        parts.append(as_url(hostile.get(name, usual.encode())) if part.startswith("{") else part.encode())
    return b"/" + b"/".join(parts)


class Sender:
    """Sends what is hostile, each beside a good call of another tenant, which must succeed."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(
        self, method: str, target: bytes, body: bytes = b"", headers: Mapping[str, bytes] | None = None
    ) -> Answer:
        """Return the answer to a request, which is no 5xx; an error's is JSON in UTF-8."""
        key = OPERATOR_KEY if target.partition(b"?")[0] == b"/api/v1/tenants" else ADMIN_KEY
        answer, _ = await asyncio.gather(
            ask(self._client, method, target, body, key=key, headers=headers), good_call(self._client)
        )
        assert answer.status < 500, (method, target, body[:300], headers, answer)
        if answer.status >= 400:
            assert set(json.loads(answer.body.decode())) == {"error", "code"}
        return answer

    async def refused(self, *request: Any, **more: Any) -> None:
        """Check that a request is the caller's mistake."""
        answer = await self.send(*request, **more)
        assert 400 <= answer.status < 500, (request, more, answer)


async def good_call(client: Client) -> None:
    """Make a call of another tenant."""
    request = workflow_pb2.StartWorkflowRequest(tenant_id=str(OTHER_TENANT), workflow_kind="good")
    await client.dispatch.StartWorkflow(request, metadata=bearer(OTHER_KEY))


async def _all_can_be_read(client: Client, document: Any) -> None:
    sender = Sender(client)
    workflows = await client.rest("GET", "/api/v1/tenants/test/workflow-executions?limit=100", key=ADMIN_KEY)
    for method, path, _ in _operations(document):
        if method == "GET" and not path.replace("{slug}", "").count("{"):
            answer = await sender.send("GET", _target(path, {}))
            assert answer.status in {200, 403}, (path, answer)
        of_workflow = path.endswith(("{id}", "/events", "/state", "/audit-events", "/tasks"))
        if method == "GET" and "/workflow-executions/{id}" in path and of_workflow and "{task_id}" not in path:
            for workflow in workflows.json["workflows"]:
                answer = await sender.send("GET", _target(path, {"workflow-executions": workflow["id"]}))
                assert answer.status == 200, (path, answer)
                json.loads(answer.body.decode())


async def test_hostile_texts_in_bodies_are_refused_or_can_be_read_back(client: Client) -> None:
    """At every place of every body: in values, in names of maps, inside payloads."""
    document, sender = await _document(client), Sender(client)
    filters = set[tuple[Any, ...]]()
    for method, path, about in _operations(document):
        schema = _body_schema(about)
        if schema is None:
            continue
        body = sample(schema, document)
        usual = await sender.send(method, _target(path, await _ids(client)), json.dumps(body).encode())
        assert b"does not fit" not in usual.body, (method, path, body, usual)
        for place in places(schema, document, body):
            if place in filters:  # one model for all bodies that have it
                continue
            filters |= {place} if place[0] == "filter" else set()
            marked = json.dumps(replaced(body, place, MARK)).encode()
            target = _target(path, await _ids(client))
            for name, text in in_turn(ALL).items():
                answer = await sender.send(method, target, marked.replace(MARK.encode(), text))
                assert answer.status >= 400 or name not in BAD, (method, path, place, name, answer)
    await _all_can_be_read(client, document)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
async def test_bodies_in_another_encoding_are_refused(client: Client, encoding: str) -> None:
    """Whatever the content type says of it; halves of characters among them or not."""
    target = b"/api/v1/tenants/test/workflow-executions"
    for kind in ("k", "\ud800", "\U0001f600"):
        body = json.dumps({"kind": kind}, ensure_ascii=False).encode(encoding, "surrogatepass")
        for charset in ("", "; charset=utf-8", f"; charset={encoding}", f'; Charset="{encoding.upper()}"'):
            answer = await Sender(client).send(
                "POST", target, body, {"content-type": f"application/json{charset}".encode()}
            )
            assert answer.status == 400, (body, charset, answer)


@pytest.mark.parametrize("charset", ["utf-7", "iso-8859-1", "utf-16", "ascii", "x" * 5000])
async def test_another_charset_is_refused_whatever_the_bytes_are(client: Client, charset: str) -> None:
    """The text that the client means may be another one than the one that the bytes spell in UTF-8."""
    headers = {"content-type": f"application/json; charset={charset}".encode()}
    answer = await Sender(client).send("POST", b"/api/v1/tenants/test/workflow-executions", b'{"kind": "k"}', headers)
    assert (answer.status, b"charset" in answer.body, len(answer.body) < 300) == (400, True, True)


@pytest.mark.parametrize("content_type", ["", "; charset=utf-8", '; charset="UTF-8"', "; charset=utf8", "; a=b"])
async def test_utf_8_may_be_named(client: Client, content_type: str) -> None:
    """In the usual spellings."""
    headers = {"content-type": b"application/json" + content_type.encode()}
    body = '{"kind": "k\u00e4\u202e"}'.encode()
    answer = await Sender(client).send("POST", b"/api/v1/tenants/test/workflow-executions", body, headers)
    assert (answer.status, "k\u00e4" in answer.body.decode()) == (201, True)


async def test_hostile_texts_in_paths_and_queries_are_refused(client: Client) -> None:
    """In every place of every path, and in every parameter of every query string, percent-encoded and raw."""
    document, sender, ids = await _document(client), Sender(client), await _ids(client)
    hostile = {**INVALID_UTF8, **RAW_NUL}
    for method, path, about in _operations(document):
        parameters = about.get("parameters", [])
        for each in parameters:
            for text in in_turn(hostile).values():
                if each["in"] == "path":
                    await sender.refused(method, _target(path, ids, {each["name"]: text}), b"{}")
                elif each["in"] == "header":
                    await sender.refused(method, _target(path, ids), b"{}", headers={each["name"].lower(): text})
                else:
                    query = b"?" + each["name"].encode() + b"="
                    await sender.refused(method, _target(path, ids) + query + as_url(text), b"{}")
                    await sender.refused(method, _target(path, ids) + query + text, b"{}")
            fine = FINE["bidi controls"]
            if each["in"] == "query":
                await sender.send(
                    method, _target(path, ids) + b"?" + each["name"].encode() + b"=" + as_url(fine), b"{}"
                )


async def test_hostile_texts_in_headers_harm_no_call(client: Client) -> None:
    """Whatever the header: those that the server reads, and those that it does not."""
    sender = Sender(client)
    names = (
        "authorization",
        "x-request-id",
        "x-forwarded-for",
        "forwarded",
        "user-agent",
        "content-type",
        "accept",
        "x-a",
    )
    for name in names:
        for text in (*INVALID_UTF8.values(), *RAW_NUL.values(), FINE["bidi controls"]):
            for value in (text, b"Bearer " + text):
                for method, target in (
                    ("GET", b"/api/v1/tenants/test/workflow-executions"),
                    ("POST", b"/api/v1/tenants/test/workflow-executions"),
                ):
                    answer = await sender.send(method, target, b'{"kind": "k"}', {name: value})
                    assert answer.status < 400 or name in {"authorization", "content-type"} or b"\x00" in value


async def test_a_key_that_is_no_utf_8_is_not_the_key_with_replacements(client: Client) -> None:
    """Bytes that are not UTF-8 must not be read as another promise's name."""
    calls = Calls(client)
    await calls.start()
    await calls.step(create_promise("p", idempotency_key="\ufffd"))
    answer = await ask(client, "POST", b"/api/v1/tenants/test/promises/key:%FF/resolve", b"{}", key=ADMIN_KEY)
    assert (answer.status, b"the path is not UTF-8" in answer.body) == (400, True)
    answer = await ask(client, "POST", b"/api/v1/tenants/test/promises/key:%EF%BF%BD/resolve", b"{}", key=ADMIN_KEY)
    assert answer.status == 200
