"""A damaged log can be read and verified, whatever the damage and the mode; what cannot be recorded is refused."""

from __future__ import annotations

import grpc
import psycopg
import pytest

from plugins.audit_log import audit_pb2 as pb
from plugins.audit_log.tests.auditing import BASE, USER_KEY, audit_stub, auditing, recorder_of, start, tamper
from tests.support.running import Client, bearer

EVENTS = "UPDATE p_audit_log__events SET {} WHERE sequence = 3"
CHAIN = "UPDATE p_audit_log__chains SET {}"
FREE = "ALTER TABLE p_audit_log__events DROP CONSTRAINT events_kind"
EMPTY = "DELETE FROM p_audit_log__events"

NOT_RECORDABLE = {
    "the head is gone": ["DELETE FROM p_audit_log__chains"],
    "the head was put back": [CHAIN.format("last_sequence = last_sequence - 2")],
    "the head's number is negative": [CHAIN.format("last_sequence = -7")],
}
RECORDABLE = {
    "the head was put forward": [CHAIN.format("last_sequence = last_sequence + 5")],
    "the head's hash is short": [CHAIN.format(r"last_hash = '\x00'")],
    "the beginning was put forward": [CHAIN.format("first_sequence = last_sequence + 9"), EMPTY],
    "the beginning is far off": [CHAIN.format("first_sequence = -9223372036854775800")],
    "an event is gone": [EMPTY + " WHERE sequence = 3"],
    "all events are gone": [EMPTY],
    "a time without end": [EVENTS.format("at = 'infinity'")],
    "a time before all": [EVENTS.format("at = '-infinity'")],
    "a year with five digits": [EVENTS.format("at = '20000-01-01'")],
    "a year before Christ": [EVENTS.format("at = '0044-03-15 BC'")],
    "an unknown kind": [FREE, EVENTS.format("kind = 'x'")],
    "no code": [EVENTS.format("code = NULL, kind = 'outcome'")],
    "a duration that is none": [EVENTS.format("duration_us = -9223372036854775808")],
    "a hash that is none": [EVENTS.format("hash = '', previous_hash = ''")],
    "texts with everything": [EVENTS.format("operation = repeat(E'\\n\\u20ac=', 9999), principal_id = ''")],
}


async def _damaged(client: Client, database: str, statements: list[str]) -> None:
    for _ in range(4):
        await start(client)
    await recorder_of(client).flush()
    await tamper(database, *statements)


async def _problem_over_rest(client: Client) -> str:
    """Read everything that can be read over REST, and return what verify names."""
    for path in ("events", "events/2", "events/export", "events/export?format=csv", "head", "retention"):
        name, _, query = path.partition("?")
        answer = await client.rest("GET", f"{BASE}/{name}", key=USER_KEY, query_string=query or None)
        assert answer.status_code in ({200, 404} if path == "events/2" else {200}), (path, answer.text)
    answer = await client.rest("POST", f"{BASE}/verify", {}, key=USER_KEY)
    assert answer.status_code == 200, answer.text
    assert answer.json["ok"] is False
    return str(answer.json["problem"])


async def _problem_over_grpc(client: Client) -> str:
    stub, metadata = audit_stub(client), bearer(USER_KEY)
    await stub.ListEvents(pb.ListEventsRequest(), metadata=metadata)
    async for _ in stub.ExportEvents(pb.ExportEventsRequest(), metadata=metadata):
        pass
    await stub.GetHead(pb.GetHeadRequest(), metadata=metadata)
    await stub.GetRetention(pb.GetRetentionRequest(), metadata=metadata)
    answer = await stub.VerifyChain(pb.VerifyChainRequest(), metadata=metadata)
    assert not answer.ok
    return str(answer.problem)


@pytest.mark.parametrize("damage", [*NOT_RECORDABLE, *RECORDABLE])
async def test_a_damaged_log_is_read_and_verify_names_the_damage(database: str, damage: str) -> None:
    """In ``required`` mode, over both protocols; to look needs no new record in the damaged chain."""
    async with auditing(database, mode="required") as client:
        await _damaged(client, database, {**NOT_RECORDABLE, **RECORDABLE}[damage])
        found = await _problem_over_rest(client)
        assert found
        assert await _problem_over_grpc(client) == found


@pytest.mark.parametrize("damage", NOT_RECORDABLE)
async def test_calls_that_change_something_are_refused_while_the_chain_is_damaged(database: str, damage: str) -> None:
    """Nothing happens of it, over either protocol."""
    async with auditing(database, mode="required") as client:
        await _damaged(client, database, NOT_RECORDABLE[damage])
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await start(client)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        put = await client.rest("PUT", f"{BASE}/retention", {"keepDays": 1}, key=USER_KEY)
        assert put.status_code == 503
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM workflow_execution").fetchone() == (4,)
        assert connection.execute("SELECT count(*) FROM p_audit_log__retention").fetchone() == (0,)
