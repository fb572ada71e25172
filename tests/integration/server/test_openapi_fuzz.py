"""Requests that the OpenAPI document allows, and some that it does not: answers are those that it promises."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import hypothesis
import pytest_asyncio
import requests
import schemathesis
from falcon import testing
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from schemathesis import checks
from schemathesis.generation import GenerationMode
from urllib3 import HTTPResponse

from plugins.hello_world.plugin import HelloWorldPlugin
from plugins.jwt.plugin import JwtPlugin
from plugins.worker_token.plugin import WorkerTokenPlugin
from proto.flovyn.v1 import worker_pb2
from tests.support.calls import submit_task
from tests.support.driving import Calls, create_promise, schedule_task
from tests.support.repetitions import times
from tests.support.running import CONFIG, OPERATOR_KEY, TENANT, WORKER_KEY, Client, bearer, running_server

ADMIN_KEY = "flovyn_sk_test_0123456789abcdef"
SECRET = "0123456789abcdef0123456789abcdef"
DOCUMENT = "/api/docs/openapi.json"
EXAMPLES = times(12, 1000)
"""Of each operation."""

HERE = "http://server"
"""Where the session finds the app."""

DEADLINE_S = 30.0

checks.load_all_checks()
CHECKS = [
    checks.CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
]

ENDLESS = "text/event-stream"
"""Operations that answer with it are left out: their answers go on for minutes, and test_stream_rest reads them."""


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    plugins = [HelloWorldPlugin, WorkerTokenPlugin, JwtPlugin]
    admin = {"key": ADMIN_KEY, "tenant_id": str(TENANT), "principal_id": "api:test", "role": "ADMIN"}
    keys = [*CONFIG["auth"]["static_api_key"]["keys"], admin]
    config = {**CONFIG, "auth": {"static_api_key": {"keys": keys}}}
    environ = {
        "WORKER_TOKEN_SECRET": SECRET,
        # a pool that grows draws a random number, in the middle of what Hypothesis draws in another thread
        "DATABASE__POOL_SIZE": "2",
    }
    async with running_server(database, plugins, config, **environ) as client:
        yield client


async def _known(client: Client) -> list[str]:
    """Return names of things that are there, so that not every path leads to nothing."""
    calls = Calls(client)
    workflow_id, task_id = await calls.start(), str(uuid4())
    await calls.step(schedule_task(task_id), create_promise("p", idempotency_key="key"))
    promise = next(data["promiseId"] for _, kind, data in await calls.events(workflow_id) if kind == "PROMISE_CREATED")
    registration = worker_pb2.WorkerRegistrationRequest(
        worker_name="w",
        worker_type="UNIFIED",
        tenant_id=str(TENANT),
        workflows=[worker_pb2.WorkflowCapability(kind="k")],
        tasks=[worker_pb2.TaskCapability(kind="k")],
    )
    worker = await client.lifecycle.RegisterWorker(registration, metadata=bearer())
    target = {"type": "workflow", "workflowKind": "k"}
    recurring = {"type": "recurring", "cron": "0 0 1 1 *"}
    body = {"name": "s", "scheduleType": recurring, "target": target}
    schedule = await client.rest("POST", "/api/v1/tenants/test/schedules", body, key=ADMIN_KEY)
    token = await client.rest("POST", "/api/v1/p/worker-token/tokens", {"displayName": "t"}, key=ADMIN_KEY)
    made = [workflow_id, task_id, promise, worker.worker_id, await submit_task(client)]
    return [*made, schedule.json["id"], token.json["id"], "key:key", "k"]


async def test_answers_are_what_the_document_promises(client: Client) -> None:
    """Whatever the request: no 5xx, a status that is listed, its content type, and a body that fits its schema."""
    known = await _known(client)
    found = (await client.rest("GET", DOCUMENT)).json
    loop = asyncio.get_running_loop()
    with requests.Session() as session:
        session.mount(HERE, AppAdapter(client.app, loop))
        for operation in _operations(found):
            await asyncio.to_thread(_fuzz, operation, session, known)


class AppAdapter(HTTPAdapter):
    """Carries a session's requests to an ASGI app on its loop; call it from another thread than the loop's."""

    def __init__(self, app: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._app = app
        self._loop = loop

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Return the app's answer to a request."""
        found = asyncio.run_coroutine_threadsafe(self._answer(request), self._loop).result(DEADLINE_S)
        raw = HTTPResponse(io.BytesIO(found.content), found.headers, found.status_code, preload_content=False)
        return self.build_response(request, raw)

    async def _answer(self, request: requests.PreparedRequest) -> testing.Result:
        url = urlsplit(str(request.url))
        async with testing.ASGIConductor(self._app) as conductor:
            result: testing.Result = await conductor.simulate_request(
                str(request.method),
                url.path,
                query_string=url.query,
                headers=dict(request.headers),
                body=request.body or b"",
            )
        return result


def _operations(document: Any) -> Iterator[Any]:
    schema: Any = schemathesis.openapi.from_dict(document)
    for each in schema.get_all_operations():
        operation = each.ok()
        success = document["paths"][operation.path][operation.method]["responses"].get("200", {})
        if ENDLESS not in success.get("content", {}):
            yield operation


def _fuzz(operation: Any, session: requests.Session, known: list[str]) -> None:
    """Send requests that fit the document, and half as many that do not, with each kind of credentials."""
    cases = operation.as_strategy(GenerationMode.POSITIVE)
    if operation.body or operation.query:
        cases |= operation.as_strategy(GenerationMode.NEGATIVE)
    names = {each.name for each in operation.path_parameters} - {"slug"}
    places = st.fixed_dictionaries({name: st.sampled_from([*known, str(uuid4()), None]) for name in names})
    keys = st.sampled_from([ADMIN_KEY, ADMIN_KEY, WORKER_KEY, OPERATOR_KEY])

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(cases, places, keys)
    def send(case: Any, place: dict[str, str | None], key: str) -> None:
        case.path_parameters.update({name: text for name, text in place.items() if text is not None})
        if "slug" in case.path_parameters:
            case.path_parameters["slug"] = "test"
        answer = case.call(base_url=HERE, session=session, headers={"authorization": f"Bearer {key}"})
        case.validate_response(answer, checks=CHECKS)

    send()
