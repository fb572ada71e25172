"""Idempotency keys: a creation that is repeated leads to what was created first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
import pytest_asyncio

from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support.driving import (
    COMPLETED,
    FAILED,
    RUNNING,
    Calls,
    complete,
    create_promise,
    fail,
    refusal,
    schedule_task,
)
from tests.support.repetitions import times
from tests.support.running import OTHER_KEY, OTHER_TENANT, TENANT, bearer, running_server

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def _start(calls: Calls, key: str, **fields: Any) -> tuple[str, bool, bool]:
    request = pb.StartWorkflowRequest(
        **{"tenant_id": str(TENANT), "workflow_kind": "k", "idempotency_key": key, **fields}
    )
    answer = await calls.dispatch.StartWorkflow(request, metadata=bearer())
    return answer.workflow_execution_id, answer.idempotency_key_used, answer.idempotency_key_new


async def test_a_key_leads_to_the_first_workflow(calls: Calls) -> None:
    """While it is open and when it has completed, whatever else the second call says."""
    first = await _start(calls, "key", input=b"1")
    assert first[1:] == (True, True)
    assert await _start(calls, "key", workflow_kind="other", input=b"2") == (first[0], True, False)
    await calls.step(complete(), status=COMPLETED)
    assert await _start(calls, "key") == (first[0], True, False)
    assert await calls.row("SELECT count(*) FROM workflow_execution") == (1,)


async def test_without_a_key_every_call_starts_a_workflow(calls: Calls) -> None:
    """The flags say that none was used."""
    request = pb.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
    answers = [await calls.dispatch.StartWorkflow(request, metadata=bearer()) for _ in range(2)]
    assert len({answer.workflow_execution_id for answer in answers}) == 2
    assert {(answer.idempotency_key_used, answer.idempotency_key_new) for answer in answers} == {(False, True)}


async def test_a_failed_workflow_frees_its_key(calls: Calls) -> None:
    """The next call starts another workflow."""
    first = await _start(calls, "key")
    await calls.step(fail(), status=FAILED)
    second = await _start(calls, "key")
    assert second[0] != first[0]
    assert second[1:] == (True, True)


async def test_an_expired_key_is_free(calls: Calls) -> None:
    """Its time to live is over, whether or not it has been cleaned up; the cleaner takes it away."""
    first = await _start(calls, "key", idempotency_key_ttl_seconds=1)
    async with calls.client.pool.connection() as connection:
        await connection.execute("UPDATE idempotency_key SET expires_at = now()")
        # The server's own cleaner may be in the middle of its pass: then it deletes the key, not this call.
        await calls.client.engine.clean_keys()
        await calls.until(lambda: calls.row("SELECT count(*) FROM idempotency_key"), lambda row: row == (0,))
        assert (await _start(calls, "key"))[2]
        await connection.execute("UPDATE idempotency_key SET expires_at = now()")
    third = await _start(calls, "key", idempotency_key_ttl_seconds=2_592_000)
    assert third[2]
    assert third[0] != first[0]
    await calls.client.engine.clean_keys()
    assert await calls.row("SELECT count(*) FROM idempotency_key") == (1,)


async def test_a_key_is_the_tenants_own(calls: Calls) -> None:
    """Two tenants use the same key."""
    first = await _start(calls, "key")
    request = pb.StartWorkflowRequest(tenant_id=str(OTHER_TENANT), workflow_kind="k", idempotency_key="key")
    other = await calls.dispatch.StartWorkflow(request, metadata=bearer(OTHER_KEY))
    assert other.idempotency_key_new
    assert other.workflow_execution_id != first[0]


async def test_concurrent_starts_with_one_key_are_one_workflow(database: str) -> None:
    """Through two servers, folded or not: one id, one workflow."""
    rounds = times(10, 1000)
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        for number in range(rounds):
            answers = await asyncio.gather(*(_start((here, there)[n % 2], f"key-{number}") for n in range(10)))
            assert len({answer[0] for answer in answers}) == 1
            assert sum(answer[2] for answer in answers) == 1
        assert await here.row("SELECT count(*) FROM workflow_execution") == (rounds,)


async def test_batches_with_keys_in_any_order_do_not_block_each_other(database: str) -> None:
    """Two servers start runs with the same keys in opposite orders at once: no deadlock, one workflow per key."""
    count = times(50, 500)
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        keys = [f"key-{number}" for number in range(count)]
        answers = await asyncio.gather(
            *(_start(here, key) for key in keys), *(_start(there, key) for key in reversed(keys))
        )
        assert len({answer[0] for answer in answers}) == count


@pytest.mark.parametrize("command", ["promise", "task"])
async def test_a_key_of_something_else_is_refused(calls: Calls, command: str) -> None:
    """ALREADY_EXISTS, with the kind of thing that has it."""
    workflow_id = await calls.start()
    await calls.claim()
    made = {
        "promise": create_promise("p", idempotency_key="key"),
        "task": schedule_task(str(uuid4()), idempotency_key="key"),
    }
    await calls.submit(workflow_id, made[command], status=RUNNING)
    code, text = await refusal(_start(calls, "key"))
    assert (code, command in text) == (grpc.StatusCode.ALREADY_EXISTS, True)


async def test_a_batch_does_not_fail_for_a_key_that_is_taken(calls: Calls) -> None:
    """The promise and the task exist without it."""
    first = await _start(calls, "key")
    workflow_id = await calls.start()
    await calls.claim_pending()
    commands = [create_promise("p", idempotency_key="key"), schedule_task(str(uuid4()), idempotency_key="key")]
    await calls.submit(workflow_id, *commands, status=RUNNING)
    assert await calls.types(workflow_id) == ["WORKFLOW_STARTED", "PROMISE_CREATED", "TASK_SCHEDULED"]
    assert await _start(calls, "key") == (first[0], True, False)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": "k" * 256}, "idempotency_key"),
        ({"idempotency_key": "a\x00"}, "idempotency_key"),
        ({"idempotency_key": "k", "idempotency_key_ttl_seconds": 0}, "idempotency_key_ttl_seconds"),
        ({"idempotency_key": "k", "idempotency_key_ttl_seconds": 2_592_001}, "idempotency_key_ttl_seconds"),
    ],
)
async def test_malformed_keys_are_refused_by_field(calls: Calls, fields: dict[str, Any], named: str) -> None:
    """INVALID_ARGUMENT, in starts and in commands alike."""
    workflow_id = await calls.start()
    for call in (
        _start(calls, **{"key": "k", **{("key" if n == "idempotency_key" else n): v for n, v in fields.items()}}),
        calls.submit(workflow_id, create_promise("p", **fields), status=RUNNING),
    ):
        code, text = await refusal(call)
        assert (code, named in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_failing_workflows_and_new_starts_with_their_keys_do_not_block_each_other(database: str) -> None:
    """Runs fail in one server while another is asked for their keys in the opposite order: no deadlock."""
    count = times(60, 1000)
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        workflows = {f"key-{number}": (await _start(here, f"key-{number}"))[0] for number in range(count)}
        answers = await asyncio.gather(
            *(_start(there, key) for key in reversed(workflows)),
            *(here.submit(workflow_id, fail(), status=FAILED) for workflow_id in workflows.values()),
        )
        again = [answer for answer in answers if answer is not None]
        assert len(again) == count
        assert await here.row("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == (0,)


async def test_a_key_that_is_deleted_while_a_start_waits_for_it_is_the_starts_own(calls: Calls, database: str) -> None:
    """As when the workflow that has it fails at that moment, or it expires."""
    first = await _start(calls, "key")
    async with await psycopg.AsyncConnection.connect(database) as other:
        await other.execute("SELECT 1 FROM idempotency_key FOR UPDATE")
        start = asyncio.create_task(_start(calls, "key"))
        await calls.until(partial(calls.row, _WAITING), lambda waiting: waiting == (1,))
        await other.execute("DELETE FROM idempotency_key")
    second = await start
    assert second[1:] == (True, True)
    assert await _start(calls, "key") == (second[0], True, False) != first
