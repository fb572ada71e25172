"""Both protocols admit a call in one order: the same faults give the same decision, and the earliest step decides."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from falcon import testing

from core.calls import Call, CallObserver, Outcome
from core.errors import LimitExceeded, WrongState
from core.plugin import Plugin
from proto.flovyn.v1 import task_pb2
from tests.support.calls import rows
from tests.support.running import CONFIG, OTHER_TENANT, TENANT, WORKER_KEY, Client, running_server

MEMBER_KEY = "key-of-a-member-0123456789"
STATUSES: Mapping[str, tuple[int, grpc.StatusCode]] = {
    "ok": (201, grpc.StatusCode.OK),
    "invalid_input": (400, grpc.StatusCode.INVALID_ARGUMENT),
    "unauthenticated": (401, grpc.StatusCode.UNAUTHENTICATED),
    "permission_denied": (403, grpc.StatusCode.PERMISSION_DENIED),
    "not_found": (404, grpc.StatusCode.NOT_FOUND),
    "wrong_state": (409, grpc.StatusCode.FAILED_PRECONDITION),
    "limit_exceeded": (429, grpc.StatusCode.RESOURCE_EXHAUSTED),
}
"""The statuses of a code in each protocol."""


@dataclass(frozen=True)
class Case:
    """A call that creates a task, with faults.

    Attributes:
        decision: the code of the decision; of REST and of gRPC where they differ by design.
        keys: the credentials that are sent.
        full: the caps that are used up: ``connection``, ``tenant``.
        head: the query string, or the metadata, holds a NUL character.
        tenant: the tenant that the call names, by slug and by id.
        kind: the kind of the task; one with a NUL character is not valid.
        parses: the body, or the message, can be parsed.
        refused: an observer refuses the call.
    """

    decision: str | tuple[str, str]
    keys: Sequence[str] = (WORKER_KEY,)
    full: frozenset[str] = frozenset()
    head: bool = False
    tenant: tuple[str, str] = ("test", str(TENANT))
    kind: str = "k"
    parses: bool = True
    refused: bool = False


CONNECTION_FULL, TENANT_FULL = frozenset({"connection"}), frozenset({"tenant"})
OTHERS = ("other", str(OTHER_TENANT))
CASES: Mapping[str, Case] = {
    "no fault": Case("ok"),
    "connection full, and all later faults": Case(
        "limit_exceeded", (), CONNECTION_FULL | TENANT_FULL, head=True, tenant=OTHERS, kind="\x00", refused=True
    ),
    "head, and all later faults": Case("invalid_input", (), TENANT_FULL, head=True, tenant=OTHERS, refused=True),
    "no credentials, and all later faults": Case(
        "unauthenticated", (), TENANT_FULL, tenant=OTHERS, kind="\x00", refused=True
    ),
    "no credentials, not parsed": Case("unauthenticated", (), parses=False),
    "unknown credentials": Case("unauthenticated", ("unknown-key",), tenant=OTHERS, kind="\x00"),
    "two credentials": Case("unauthenticated", (WORKER_KEY, WORKER_KEY), kind="\x00"),
    "tenant full, not allowed, not valid": Case(
        "limit_exceeded", (MEMBER_KEY,), TENANT_FULL, kind="\x00", refused=True
    ),
    "tenant full, not parsed": Case("limit_exceeded", full=TENANT_FULL, parses=False),
    "another tenant, not valid": Case(("not_found", "permission_denied"), tenant=OTHERS, kind="\x00", refused=True),
    "not allowed, not valid": Case("permission_denied", (MEMBER_KEY,), kind="\x00", refused=True),
    "not allowed, not parsed": Case("permission_denied", (MEMBER_KEY,), parses=False, refused=True),
    "not valid": Case("invalid_input", kind="\x00", refused=True),
    "not parsed": Case("invalid_input", parses=False, refused=True),
    "refused by an observer": Case("wrong_state", refused=True),
}


class Watching(Plugin):
    """An observer that keeps the code of each call, and refuses calls when the test says so."""

    name = "watching"
    version = "1"

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.refuses = False

    def observers(self) -> Sequence[CallObserver]:
        """Return the observer."""
        plugin = self

        class Observer(CallObserver):
            async def before(self, call: Call) -> None:
                if plugin.refuses:
                    raise WrongState("refused")

            async def after(self, call: Call, outcome: Outcome) -> None:
                plugin.codes.append(outcome.code)

        return [Observer()]


@asynccontextmanager
async def _server(database: str) -> AsyncIterator[tuple[Client, Watching]]:
    member = {"key": MEMBER_KEY, "tenant_id": str(TENANT), "principal_id": "m", "role": "MEMBER"}
    keys = [*CONFIG["auth"]["static_api_key"]["keys"], member]
    roles = {"authorizer": "roles"}
    auth = {"static_api_key": {"keys": keys}, "endpoints": {"http": roles, "grpc": roles}}
    async with running_server(database, [Watching], {**CONFIG, "auth": auth}) as client:
        plugin = client.registry.plugins()[0]
        assert isinstance(plugin, Watching)
        yield client, plugin


def _arrange(client: Client, plugin: Watching, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any, **_options: Any) -> Any:
        raise LimitExceeded("full")

    plugin.refuses = case.refused
    for name in case.full:
        monkeypatch.setattr(getattr(client.call_caps, f"{name}s"), "add", full)


async def _rest(client: Client, case: Case) -> int:
    async with testing.ASGIConductor(client.app) as conductor:
        answer = await conductor.simulate_post(
            f"/api/v1/tenants/{case.tenant[0]}/task-executions",
            headers=[("authorization", f"Bearer {key}") for key in case.keys],
            query_string="x=%00" if case.head else "",
            body=json.dumps({"kind": case.kind}) if case.parses else "{",
        )
    return int(answer.status_code)


async def _grpc(client: Client, case: Case) -> grpc.StatusCode:
    request = task_pb2.SubmitTaskRequest(tenant_id=case.tenant[1], kind=case.kind).SerializeToString()
    metadata: list[tuple[str, Any]] = [("authorization", f"Bearer {key}") for key in case.keys]
    call: Any = client.channel.unary_unary("/flovyn.v1.TaskExecution/SubmitTask")
    called = call(
        request if case.parses else b"\xff", metadata=[*metadata, *([("x-bin", b"\x00")] if case.head else [])]
    )
    code: grpc.StatusCode = await called.code()
    return code


@pytest.mark.parametrize("name", CASES)
async def test_both_protocols_decide_the_same_about_a_call(
    database: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Observers are told the decision in every case."""
    case = CASES[name]
    of_rest, of_grpc = (case.decision,) * 2 if isinstance(case.decision, str) else case.decision
    async with _server(database) as (client, plugin):
        _arrange(client, plugin, case, monkeypatch)
        answers = await _rest(client, case), await _grpc(client, case)
        assert answers == (STATUSES[of_rest][0], STATUSES[of_grpc][1])
        assert plugin.codes == [of_rest, of_grpc]


@pytest.mark.parametrize("first", ["own", "hidden"])
async def test_a_message_is_refused_whose_tenant_is_not_the_one_that_was_authorized(database: str, first: str) -> None:
    """A large message is parsed after the caller is authorized; a field that hides its tenant until then is no help."""
    hiding = b"\xa3\x06\xa4\x06"  # a group, which the parser skips and the search for the tenant does not
    others = task_pb2.SubmitTaskRequest(tenant_id=str(OTHER_TENANT), kind="k").SerializeToString()
    own = task_pb2.SubmitTaskRequest(tenant_id=str(TENANT) if first == "own" else "", input=b'"' + b"1" * 5000 + b'"')
    parts = [own.SerializeToString(), hiding + others]
    async with _server(database) as (client, _):
        call: Any = client.channel.unary_unary("/flovyn.v1.TaskExecution/SubmitTask")
        data = b"".join(parts if first == "own" else reversed(parts))
        code = await call(data, metadata=[("authorization", f"Bearer {WORKER_KEY}")]).code()
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert await rows(client, "SELECT FROM task_execution") == []
