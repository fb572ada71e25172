"""Reading the log over REST and gRPC: who may, what they find, page by page and as a whole."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import grpc
import pytest
import pytest_asyncio

from plugins.audit_log import audit_pb2 as pb
from plugins.audit_log import service as service_module
from plugins.audit_log.domain import SERVER_CHAIN, EventDraft, digest
from plugins.audit_log.repository import EventRepository
from plugins.audit_log.tests.auditing import (
    BASE,
    MEMBER_KEY,
    OTHER_USER_KEY,
    T0,
    USER_KEY,
    audit_stub,
    auditing,
    draft,
    events_of,
    stored,
)
from tests.support.running import OPERATOR_KEY, OTHER_TENANT, TENANT, WORKER_KEY, Client, bearer

USER = bearer(USER_KEY)
METHODS = {
    "ListEvents": pb.ListEventsRequest(),
    "GetEvent": pb.GetEventRequest(sequence=1),
    "GetRetention": pb.GetRetentionRequest(),
    "SetRetention": pb.SetRetentionRequest(),
    "VerifyChain": pb.VerifyChainRequest(),
    "GetHead": pb.GetHeadRequest(),
}
ROUTES = [
    ("GET", "/events", None),
    ("GET", "/events/1", None),
    ("GET", "/events/export", None),
    ("GET", "/retention", None),
    ("PUT", "/retention", {"keepDays": 1}),
    ("POST", "/verify", {}),
    ("GET", "/head", None),
]


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A server that writes nothing by itself while a test reads, with ten events of one tenant."""
    async with auditing(database, flush_interval=60) as client:
        changes: dict[int, dict[str, Any]] = {
            1: {"principal_id": "bob"},
            2: {"action": "delete", "code": "not_found"},
            3: {"resource": "token", "resource_id": "t-1"},
            4: {"operation": "/a.B/C", "protocol": "grpc"},
            5: {"code": "permission_denied", "principal_id": "bob"},
        }
        await events_of(client).append([draft(number, **changes.get(number, {})) for number in range(10)])
        await events_of(client).append([draft(0, tenant_id=OTHER_TENANT, principal_id="other")])
        yield client


async def _list(client: Client, key: str = USER_KEY, **params: Any) -> Any:
    answer = await client.rest("GET", f"{BASE}/events", key=key, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json


def _numbers(page: Any) -> list[int]:
    return [each["sequence"] for each in page["events"]]


@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        ({}, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ({"principal": "bob"}, [6, 2]),
        ({"action": "delete"}, [3]),
        ({"resource": "token"}, [4]),
        ({"resource": "thing", "resourceId": "7"}, [8]),
        ({"resourceId": "7"}, [8]),
        ({"operation": "/a.B/C"}, [5]),
        ({"code": "permission_denied"}, [6]),
        ({"code": "unknown"}, []),
        ({"principal": "bob", "code": "ok"}, [2]),
        ({"from": "2026-01-01T00:00:07Z"}, [10, 9, 8]),
        ({"to": "2026-01-01T00:00:02Z"}, [2, 1]),
        ({"from": "2026-01-01T02:00:03+02:00", "to": "2026-01-01T00:00:05Z"}, [5, 4]),
        ({"limit": "2"}, [10, 9]),
        ({"limit": "100000"}, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ({"principal": "nobody"}, []),
    ],
)
async def test_filters(client: Client, params: dict[str, str], numbers: list[int]) -> None:
    """Every condition narrows the list, newest first; over REST and gRPC alike, and in an export."""
    assert _numbers(await _list(client, **params)) == numbers
    wanted = _message(params)
    request = pb.ListEventsRequest(filter=wanted, limit=int(params.get("limit", 0)))
    answer = await audit_stub(client).ListEvents(request, metadata=USER)
    assert [each.sequence for each in answer.events] == numbers
    streamed = audit_stub(client).ExportEvents(pb.ExportEventsRequest(filter=wanted), metadata=USER)
    if "limit" not in params:
        assert [each.sequence async for each in streamed] == numbers[::-1]


def _message(params: dict[str, str]) -> pb.Filter:
    names = {"resourceId": "resource_id"}
    texts: dict[str, Any] = {
        names.get(name, name): value for name, value in params.items() if name not in {"from", "to", "limit"}
    }
    made = pb.Filter(**texts)
    for name in ("from", "to"):
        if name in params:
            getattr(made, f"{name}_time").FromDatetime(datetime.fromisoformat(params[name]))
    return made


async def test_an_event_as_readers_get_it(client: Client) -> None:
    """All fields, the hashes in hexadecimal; what they hash to can be recomputed."""
    shown = (await client.rest("GET", f"{BASE}/events/3", key=USER_KEY)).json
    event = (await events_of(client).walk(TENANT, 2, 3, 1))[0]
    assert shown == {
        "sequence": 3, "kind": "call", "callId": str(event.call_id), "at": "2026-01-01T00:00:02Z", "requestId": "r",
        "protocol": "http", "operation": "POST /things/2", "action": "delete", "resource": "thing", "resourceId": "2",
        "principalType": "User", "principalId": "ada", "peer": "192.0.2.1", "code": "not_found", "durationUs": 5,
        "times": None,
        "previousHash": event.previous_hash.hex(), "hash": event.hash.hex(),
    }  # fmt: skip
    message = await audit_stub(client).GetEvent(pb.GetEventRequest(sequence=3), metadata=USER)
    made = EventDraft(
        TENANT, event.kind, event.call_id, message.at.ToDatetime(tzinfo=T0.tzinfo), message.request_id,
        message.protocol, message.operation, message.action, message.resource, message.resource_id,
        message.principal_type, message.principal_id, message.peer, message.code, message.duration_us,
        None,
    )  # fmt: skip
    assert digest(made, message.sequence, message.previous_hash) == message.hash


@pytest.mark.parametrize("number", ["0", "11", "-1", "x", "1.0", "9" * 30, "²", "%00"])
async def test_events_that_are_not_there_are_not_found(client: Client, number: str) -> None:
    """404, whatever the number looks like; another tenant's are not there either."""
    assert (await client.rest("GET", f"{BASE}/events/{number}", key=USER_KEY)).status_code == 404
    assert (await client.rest("GET", f"{BASE}/events/2", key=OTHER_USER_KEY)).status_code == 404


async def test_pages_follow_one_another(client: Client) -> None:
    """Every event once, also when new ones come in between; the last page has no cursor."""
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = await _list(client, limit=3, **cursor)
        seen += _numbers(page)
        await events_of(client).append([draft(1000 + len(seen))])
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]


async def test_events_of_one_moment_are_told_apart(client: Client) -> None:
    """A page may end between two events of the same time."""
    await events_of(client).append([draft(-5) for _ in range(5)])
    first = await _list(client, limit=12)
    second = await _list(client, limit=12, cursor=first["nextCursor"])
    assert _numbers(first) + _numbers(second) == [*range(10, 0, -1), 15, 14, 13, 12, 11]


async def test_cursors_work_over_grpc(client: Client) -> None:
    """The same cursors; an empty one on the last page."""
    stub = audit_stub(client)
    first = await stub.ListEvents(pb.ListEventsRequest(limit=6), metadata=USER)
    second = await stub.ListEvents(pb.ListEventsRequest(limit=6, cursor=first.next_cursor), metadata=USER)
    assert [len(first.events), len(second.events), second.next_cursor] == [6, 4, ""]


@pytest.mark.parametrize("key", [WORKER_KEY, MEMBER_KEY])
async def test_workers_and_members_never_see_the_log(client: Client, key: str) -> None:
    """Though the default authorizer lets everybody of a tenant pass: 403, over both protocols."""
    for method, path, body in ROUTES:
        answer = await client.rest(method, BASE + path, body, key=key)
        assert (answer.status_code, answer.json["code"]) == (403, "permission_denied"), path
    for name, request in METHODS.items():
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await getattr(audit_stub(client), name)(request, metadata=bearer(key))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED, name
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await anext(aiter(audit_stub(client).ExportEvents(pb.ExportEventsRequest(), metadata=bearer(key))))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_tenants_see_their_own_events(client: Client) -> None:
    """Another tenant's user finds the one event of theirs, in lists, exports and heads."""
    page = await _list(client, OTHER_USER_KEY)
    assert [each["principalId"] for each in page["events"]] == ["other"]
    export = await client.rest("GET", f"{BASE}/events/export", key=OTHER_USER_KEY)
    assert len(export.text.splitlines()) == 1
    assert (await client.rest("GET", f"{BASE}/head", key=OTHER_USER_KEY)).json["sequence"] == 1


async def test_operators_see_what_belongs_to_no_tenant(client: Client) -> None:
    """Their own calls, and nothing of a tenant's."""
    await client.rest("GET", f"{BASE}/status", key=OPERATOR_KEY)
    await client.rest("POST", "/api/v1/tenants", {"name": "A", "slug": "acme"}, key=OPERATOR_KEY)
    await stored(client, SERVER_CHAIN)
    page = await _list(client, OPERATOR_KEY)
    assert [(each["operation"], each["principalId"]) for each in page["events"]] == [
        ("POST /api/v1/tenants", "operator:test")
    ]


async def test_looking_at_the_log_is_recorded(client: Client) -> None:
    """The log records its readers."""
    await _list(client)
    last = (await stored(client))[-1]
    assert (last.principal_id, last.operation, last.action) == ("ada", f"GET {BASE}/events", "manage")


async def test_chains_are_verified_and_anchored(client: Client) -> None:
    """``head`` gives what ``verify`` takes as its anchor, over both protocols."""
    head = (await client.rest("GET", f"{BASE}/head", key=USER_KEY)).json
    assert (head["sequence"], len(head["hash"])) == (10, 64)
    verdict = await client.rest("POST", f"{BASE}/verify", {"anchor": head}, key=USER_KEY)
    assert verdict.json == {
        "ok": True, "complete": True, "first": 1, "verifiedTo": 10, "head": head, "problem": None, "brokenAt": None
    }  # fmt: skip
    part = await client.rest("POST", f"{BASE}/verify", {"start": 4, "limit": 2}, key=USER_KEY)
    assert {name: part.json[name] for name in ("ok", "complete", "first", "verifiedTo")} == {
        "ok": True, "complete": False, "first": 4, "verifiedTo": 5
    }  # fmt: skip
    stub = audit_stub(client)
    kept = await stub.GetHead(pb.GetHeadRequest(), metadata=USER)
    answer = await stub.VerifyChain(pb.VerifyChainRequest(anchor=kept), metadata=USER)
    assert (answer.ok, answer.complete, answer.verified_to, answer.problem) == (True, True, 10, "")
    wrong = pb.Head(sequence=kept.sequence, hash=b"x" * 32)
    answer = await stub.VerifyChain(pb.VerifyChainRequest(anchor=wrong), metadata=USER)
    assert (answer.ok, answer.problem, answer.broken_at) == (False, "anchor", 10)


async def test_retention_over_grpc(client: Client) -> None:
    """Set, seen, taken back."""
    stub = audit_stub(client)
    made = await stub.SetRetention(pb.SetRetentionRequest(keep_days=7), metadata=USER)
    assert (made.keep_days, made.changed_by) == (7, "ada")
    assert await stub.GetRetention(pb.GetRetentionRequest(), metadata=USER) == made
    assert not (await stub.SetRetention(pb.SetRetentionRequest(), metadata=USER)).HasField("keep_days")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.SetRetention(pb.SetRetentionRequest(keep_days=0), metadata=USER)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("written", ["ndjson", "csv"])
async def test_a_large_export_is_read_page_by_page(
    written: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,010 events in eleven pages: never more than a page is held, and every event is there once, oldest first."""
    batch = [draft(number) for number in range(10, 1010)]
    for _ in range(10):
        await events_of(client).append(batch)
    sizes: list[int] = []
    original = EventRepository.page

    async def counted(*arguments: Any, **more: Any) -> Any:
        found = await original(*arguments, **more)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(EventRepository, "page", counted)
    answer = await client.rest("GET", f"{BASE}/events/export", key=USER_KEY, params={"format": written})
    assert sizes == [service_module.EXPORT_PAGE] * 10 + [10]
    assert answer.headers["content-disposition"] == f'attachment; filename="audit-log.{written}"'
    if written == "csv":
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        rows = list(csv.DictReader(io.StringIO(answer.text)))
    else:
        assert answer.headers["content-type"] == "application/x-ndjson"
        rows = [json.loads(line) for line in answer.text.splitlines()]
    assert sorted(int(row["sequence"]) for row in rows) == list(range(1, 10_011))
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), key=datetime.fromisoformat)


async def test_no_cell_of_an_export_is_a_formula(client: Client) -> None:
    """A formula is exported as a text; commas, quotes and new lines come back as they were."""
    nasty = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", 'a,"b"\nc']
    drafts = [draft(100 + number, resource="nasty", resource_id=text) for number, text in enumerate(nasty)]
    await events_of(client).append(drafts)
    params = {"format": "csv", "resource": "nasty"}
    answer = await client.rest("GET", f"{BASE}/events/export", key=USER_KEY, params=params)
    cells = [row["resourceId"] for row in csv.DictReader(io.StringIO(answer.content.decode(), newline=""))]
    assert cells == [f"'{text}" for text in nasty[:-1]] + nasty[-1:]


async def test_the_openapi_document_says_what_exports_are(client: Client) -> None:
    """Media types, parameters and bodies of the routes are in the document."""
    document = (await client.rest("GET", "/api/docs/openapi.json")).json
    export = document["paths"][f"{BASE}/events/export"]["get"]
    assert set(export["responses"]["200"]["content"]) == {"application/x-ndjson", "text/csv"}
    names = {each["name"] for each in document["paths"][f"{BASE}/events"]["get"]["parameters"]}
    assert names == {
        "chain", "from", "to", "principal", "action", "resource", "resourceId", "operation", "code", "limit", "cursor"
    }  # fmt: skip
    assert "audit_log.EventList" in document["components"]["schemas"]
