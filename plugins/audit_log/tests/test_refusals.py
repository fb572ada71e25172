"""Refusals of unknown callers are counted, bounded, kept for a time of their own, and chained like everything else."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.auth import ANONYMOUS, Action, Protocol
from core.auth.failure_limit import source
from core.calls import Call, Outcome
from plugins.audit_log.domain import REFUSALS_CHAIN, SERVER_CHAIN, EventDraft, Kind
from plugins.audit_log.drafts import draft_of
from plugins.audit_log.refusals import MINUTE_S, OTHERS, Refusals
from plugins.audit_log.tests.auditing import (
    BASE,
    USER_KEY,
    auditing,
    draft,
    events_of,
    plugin_of,
    recorder_of,
    stored,
)
from plugins.audit_log.verifier import verify
from proto.flovyn.v1 import workflow_pb2
from tests.support.running import OPERATOR_KEY, Client, bearer

REFUSED = Outcome("unauthenticated", 0.001)
GUESS = "a-wrong-secret-0123456789"


def _call(peer: str) -> Call:
    at = datetime.now(UTC)
    return Call(uuid4(), "r", Protocol.GRPC, "/a.B/C", Action.VIEW, "x", None, None, peer, at)


def _count(events: Sequence[EventDraft]) -> int:
    return sum(1 if each.times is None else each.times for each in events)


async def _guess(client: Client, times: int) -> None:
    for number in range(times):
        if number % 2:
            assert (await client.rest("GET", f"{BASE}/events", key=GUESS)).status_code in {401, 429}
        else:
            with pytest.raises(grpc.aio.AioRpcError):
                await client.dispatch.PollWorkflow(workflow_pb2.PollRequest(), metadata=bearer(GUESS))


async def _sums(client: Client) -> None:
    """Let the minute be over."""
    recorder = recorder_of(client)
    recorder._sum_refusals(at_once=True)
    await recorder.flush()


@pytest.mark.parametrize("mode", ["best_effort", "required"])
async def test_a_flood_of_refusals_is_two_events_in_a_minute(database: str, mode: str) -> None:
    """Of 300 calls without valid credentials, over both protocols: the first, and how many followed; no credential."""
    async with auditing(database, mode=mode) as client:
        await _guess(client, 300)
        assert [each.times for each in await stored(client, REFUSALS_CHAIN)] == [None]
        await _sums(client)
        events = await stored(client, REFUSALS_CHAIN)
        assert [(each.peer, each.times, each.principal_id) for each in events] == [
            ("127.0.0.1", None, None), ("127.0.0.1", 299, None)
        ]  # fmt: skip
        assert GUESS not in str(events)
        assert (await verify(events_of(client), REFUSALS_CHAIN, None, 1000)).complete
        assert await stored(client, SERVER_CHAIN) == []


async def test_several_processes_count_together(database: str) -> None:
    """The sum over the events of two servers is the number of refusals; nothing is lost when they stop."""
    async with auditing(database) as one, auditing(database) as other:
        await _guess(one, 40)
        await _guess(other, 30)
    async with auditing(database) as reader:
        events = await stored(reader, REFUSALS_CHAIN)
        assert (_count(events), len(events)) == (70, 4)
        assert (await verify(events_of(reader), REFUSALS_CHAIN, None, 1000)).complete


@given(
    st.lists(st.ip_addresses().map(str) | st.sampled_from(["", "192.0.2.1", "fe80::1%eth0", "x" * 999]), max_size=400),
    st.integers(0, 5),
)
def test_events_of_a_minute_are_bounded_and_count_every_refusal(peers: list[str], sources: int) -> None:
    """Whatever the sources: at most two events for each that is told apart, and two for all others together."""
    refusals = Refusals(sources, with_peer=True)
    calls = [each for each in map(_call, peers) if refusals.is_first(each, REFUSED)]
    first = [draft_of(each, REFUSED, Kind.CALL, with_peer=True) for each in calls]
    sums = refusals.sums(at_once=True)
    assert _count([*first, *sums]) == len(peers)
    assert len(first) <= sources + 1
    assert len(sums) <= sources + 1
    assert len(refusals._following) == 0


def test_sources_are_networks_and_the_rest_is_counted_together() -> None:
    """IPv6 addresses of one network of 64 bits are one source; those beyond the number are ``other``."""
    refusals = Refusals(2, with_peer=True)
    network = ipaddress.IPv6Network("2001:db8:0:7::/64")
    mine = [str(network[number]) for number in range(1, 11)]
    peers = [*mine, "192.0.2.1", *["192.0.2.2", "192.0.2.3"] * 3]
    first = [peer for peer in peers if refusals.is_first(_call(peer), REFUSED)]
    assert first == [mine[0], "192.0.2.1", "192.0.2.2"]
    assert Counter({each.peer: each.times for each in refusals.sums(at_once=True)}) == {str(network): 9, OTHERS: 5}
    assert source(mine[0]) == str(network)


def test_each_minute_begins_anew() -> None:
    """A source that goes on is an event again; a minute without refusals is none."""
    now = 0.0
    refusals = Refusals(5, with_peer=False, monotonic=lambda: now)
    taken = [refusals.is_first(_call("192.0.2.1"), REFUSED) for _ in range(3)]
    assert (taken, refusals.sums()) == ([True, False, False], [])
    now = MINUTE_S
    assert [(each.times, each.peer) for each in refusals.sums()] == [(2, None)]
    assert refusals.is_first(_call("192.0.2.1"), REFUSED)
    now = 2 * MINUTE_S
    assert refusals.sums() == []


async def test_anonymous_callers_who_are_refused_are_counted_too(database: str) -> None:
    """Where authentication is switched off, all callers are unknown: their refusals are counted, too."""
    async with auditing(database) as client:
        observer = plugin_of(client)._parts.observer
        for code in ["permission_denied"] * 9 + ["ok"]:
            call = replace(_call("192.0.2.1"), action=Action.CREATE, identity=ANONYMOUS)
            assert observer.after(call, Outcome(code, 0.1)) is None
        await _sums(client)
        assert [each.times for each in await stored(client, REFUSALS_CHAIN)] == [None, 8]
        assert [each.code for each in await stored(client, SERVER_CHAIN)] == ["ok"]


async def test_refusals_have_a_retention_of_their_own(database: str) -> None:
    """Thirty days by default, without anybody setting it; operators may set another, and for ever."""
    async with auditing(database) as client:
        future = datetime.now(UTC) + timedelta(days=1)
        old = [draft(tenant_id=each, at=future) for each in (REFUSALS_CHAIN, SERVER_CHAIN)]
        await events_of(client).append(old)
        pruner = plugin_of(client)._parts.pruner
        for days, gone in ((29, 0), (31, 1), (999, 0)):
            pruner._clock = _At(future + timedelta(days=days))
            assert await pruner.prune() == gone
        assert [len(await stored(client, each)) for each in (REFUSALS_CHAIN, SERVER_CHAIN)] == [0, 1]
        path = f"{BASE}/retention"
        shown = await client.rest("GET", path, query_string="chain=refusals")
        assert (shown.json["keepDays"], shown.json["changedBy"]) == (30, None)
        put = await client.rest("PUT", path, {"keepDays": None}, query_string="chain=refusals")
        assert put.json["keepDays"] is None
        await events_of(client).append([draft(tenant_id=REFUSALS_CHAIN, at=future)])
        assert await pruner.prune() == 0
        assert (await client.rest("GET", path)).json["keepDays"] is None


class _At:
    """A clock that stands."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at


async def test_operators_alone_read_and_verify_refusals(database: str) -> None:
    """Over every route of the log; a tenant's user is refused, and a chain of another name does not exist."""
    async with auditing(database) as client:
        await _guess(client, 5)
        await _sums(client)
        for method, path, body in (
            ("GET", "events", None),
            ("GET", "events/2", None),
            ("GET", "events/export", None),
            ("GET", "head", None),
            ("GET", "retention", None),
            ("PUT", "retention", {"keepDays": 7}),
            ("POST", "verify", {}),
        ):
            for key, status in ((OPERATOR_KEY, 200), (USER_KEY, 403)):
                answer = await client.rest(method, f"{BASE}/{path}", body, key=key, query_string="chain=refusals")
                assert answer.status_code == status, (path, answer.text)
            wrong = await client.rest(method, f"{BASE}/{path}", body, query_string="chain=x")
            assert wrong.status_code == 400
        page = await client.rest("GET", f"{BASE}/events", query_string="chain=refusals")
        assert [(each["times"], each["code"]) for each in page.json["events"]] == [
            (4, "unauthenticated"), (None, "unauthenticated")
        ]  # fmt: skip
        verdict = await client.rest("POST", f"{BASE}/verify", {}, query_string="chain=refusals")
        assert (verdict.json["ok"], verdict.json["complete"], verdict.json["verifiedTo"]) == (True, True, 2)
