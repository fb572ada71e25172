"""Whatever a reader sends is answered as a mistake or as asked, never as an accident of the server's."""

from __future__ import annotations

import base64
from typing import Any

import grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugins.audit_log import audit_pb2 as pb
from plugins.audit_log.tests.auditing import BASE, USER_KEY, audit_stub, auditing, draft, events_of
from tests.support.repetitions import times
from tests.support.running import bearer

_TIMES = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "2026-01-01", "2026-01-01T00:00:00Z"]
_SPECIAL = ["", "0", "1", "-1", "9" * 400, "1e400", "nan", "null", "ok", "unknown", "view", "\x00", "%00", "9" * 20]
_WORDS = st.text(max_size=300) | st.sampled_from([*_SPECIAL, *_TIMES])
_CURSORS = st.binary(max_size=80).map(lambda data: base64.urlsafe_b64encode(data).decode())
_NAMES = ["from", "to", "principal", "action", "resource", "resourceId", "operation", "code", "limit", "cursor"]
_QUERIES = st.dictionaries(st.sampled_from([*_NAMES, "format", "nonsense"]), _WORDS | _CURSORS, max_size=4)
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=9), inner, max_size=2),
    max_leaves=4,
)
_BODIES = _JSON | st.dictionaries(st.sampled_from(["start", "limit", "anchor", "keepDays"]), _JSON, max_size=3)
_MESSAGES = (
    (pb.ListEventsRequest, "ListEvents"),
    (pb.GetEventRequest, "GetEvent"),
    (pb.SetRetentionRequest, "SetRetention"),
    (pb.VerifyChainRequest, "VerifyChain"),
)
EXPECTED = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


def _examples(strategy: Any, count: int) -> list[Any]:
    """Return examples, for a test that has to run in one event loop."""
    found: list[Any] = []

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found


async def test_nonsense_over_rest_is_never_an_accident(database: str) -> None:
    """200, 400 or 404 for any query string, path and body."""
    async with auditing(database) as client:
        await events_of(client).append([draft(number) for number in range(3)])
        for query in _examples(_QUERIES, times(150, 5000)):
            params = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
            for path in ("/events", "/events/export"):
                answer = await client.rest("GET", BASE + path, key=USER_KEY, params=params)
                assert answer.status_code in {200, 400}, (path, query, answer.text)
        for body in _examples(_BODIES, times(80, 3000)):
            for method, path in (("PUT", "/retention"), ("POST", "/verify")):
                answer = await client.rest(method, BASE + path, body, key=USER_KEY)
                assert answer.status_code in {200, 400}, (path, body, answer.text)


async def test_nonsense_over_grpc_is_never_an_accident(database: str) -> None:
    """OK, INVALID_ARGUMENT or NOT_FOUND for any bytes, and for any values in the fields."""
    async with auditing(database) as client:
        await events_of(client).append([draft(number) for number in range(3)])
        stub = audit_stub(client)
        for data in _examples(st.binary(max_size=60), times(100, 5000)):
            for _, name in _MESSAGES:
                call: Any = client.channel.unary_unary(f"/flovyn.plugins.audit_log.v1.AuditService/{name}")
                assert await _code(call(data, metadata=bearer(USER_KEY))) in EXPECTED, (name, data)
        numbers = st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31), 50])
        for seconds, nanos, limit, text in _examples(
            st.tuples(st.sampled_from([0, -1, 2**62, -(2**62)]), numbers, numbers, st.text(max_size=300)),
            times(100, 5000),
        ):
            wanted = pb.Filter(principal=text.encode("utf-8", "replace").decode())
            wanted.from_time.seconds, wanted.to_time.nanos = seconds, nanos
            request = pb.ListEventsRequest(filter=wanted, limit=limit, cursor=wanted.principal)
            assert await _code(stub.ListEvents(request, metadata=bearer(USER_KEY))) in EXPECTED
            verify = pb.VerifyChainRequest(start=seconds, limit=limit, anchor=pb.Head(sequence=seconds, hash=b"x"))
            assert await _code(stub.VerifyChain(verify, metadata=bearer(USER_KEY))) in EXPECTED


async def _code(call: Any) -> grpc.StatusCode:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK
