"""Promises: settled once, from outside, by the workflow itself, or by their time-out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import grpc
import pytest
import pytest_asyncio

from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support.driving import COMPLETED, RUNNING, Calls, complete, create_promise, refusal, resolve_promise
from tests.support.repetitions import times
from tests.support.running import OTHER_KEY, bearer, running_server


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def _resolve(calls: Calls, promise_id: str, value: bytes = b"true", key: str | None = None) -> None:
    request = pb.ResolvePromiseRequest(promise_id=promise_id, value=value)
    await calls.dispatch.ResolvePromise(request, metadata=bearer(key) if key else bearer())


async def _reject(calls: Calls, promise_id: str, error: str = "no") -> None:
    await calls.dispatch.RejectPromise(pb.RejectPromiseRequest(promise_id=promise_id, error=error), metadata=bearer())


async def _created(calls: Calls, workflow_id: str) -> list[str]:
    return [data["promiseId"] for _, kind, data in await calls.events(workflow_id) if kind == "PROMISE_CREATED"]


async def test_a_promise_is_resolved_by_its_id(calls: Calls) -> None:
    """The event of its creation holds id and name; the value comes back as sent; the workflow is claimable again."""
    workflow_id = await calls.start()
    await calls.step(create_promise("approval", timeout_ms=60_000))
    (promise_id,) = await _created(calls, workflow_id)
    assert UUID(promise_id)
    await _resolve(calls, promise_id, b'{"n": 1.0}')
    assert (await calls.claim()).id == workflow_id
    assert (await calls.events(workflow_id))[1:] == [
        (2, "PROMISE_CREATED", {"promiseId": promise_id, "promiseName": "approval", "timeoutMs": 60_000}),
        (3, "PROMISE_RESOLVED", {"promiseId": promise_id, "promiseName": "approval", "value": {"n": 1.0}}),
    ]


async def test_a_promise_is_rejected_with_its_error(calls: Calls) -> None:
    """The text goes to the workflow."""
    workflow_id = await calls.start()
    await calls.step(create_promise("approval"))
    (promise_id,) = await _created(calls, workflow_id)
    await _reject(calls, promise_id, "denied \x00")
    assert (await calls.until_event(workflow_id, "PROMISE_REJECTED"))[-1] == (
        3,
        "PROMISE_REJECTED",
        {"promiseId": promise_id, "promiseName": "approval", "error": "denied \ufffd"},
    )


@pytest.mark.parametrize("separator", [":", "/"])
async def test_the_older_forms_name_the_workflow_and_the_promise(calls: Calls, separator: str) -> None:
    """Of promises with one name, the oldest that is pending is meant."""
    workflow_id = await calls.start()
    await calls.step(create_promise("a:b/c"), create_promise("a:b/c"))
    first, second = await _created(calls, workflow_id)
    for _ in range(3):
        await _resolve(calls, f"{workflow_id}{separator}a:b/c")
    settled = [data["promiseId"] for _, kind, data in await calls.events(workflow_id) if kind == "PROMISE_RESOLVED"]
    assert settled == [first, second]


async def test_the_first_settlement_wins(calls: Calls) -> None:
    """Many at once, in one batch or in several: one event; the others are answered OK."""
    for _ in range(times(5, 300)):
        workflow_id = await calls.start()
        await calls.step(create_promise("p"))
        (promise_id,) = await _created(calls, workflow_id)
        await asyncio.gather(*(_resolve(calls, promise_id) for _ in range(10)), _reject(calls, promise_id))
        history = await calls.types(workflow_id)
        assert len([kind for kind in history if kind in {"PROMISE_RESOLVED", "PROMISE_REJECTED"}]) == 1
        assert await calls.step(complete(), status=COMPLETED) == workflow_id


async def test_a_promise_times_out_once_under_two_servers(database: str) -> None:
    """Two expirers: one PROMISE_TIMEOUT each; a settlement afterwards changes nothing."""
    count = times(10, 200)
    async with running_server(database) as one, running_server(database) as two:
        here, there = Calls(one), Calls(two)
        workflows = [await here.start() for _ in range(count)]
        for _ in workflows:
            await there.claim()
        brief = [create_promise(f"p{number}", timeout_ms=1) for number in range(4)]
        await asyncio.gather(
            *((here, there)[n % 2].submit(workflow_id, *brief) for n, workflow_id in enumerate(workflows))
        )
        for workflow_id in workflows:
            history = await here.until_event(workflow_id, "PROMISE_TIMEOUT", 4)
            assert len({data["promiseId"] for _, kind, data in history if kind == "PROMISE_TIMEOUT"}) == 4
            await _resolve(here, (await _created(here, workflow_id))[0])
            assert len(await there.types(workflow_id)) == 9


async def test_a_workflow_settles_its_own_promise(calls: Calls) -> None:
    """By name in the same batch, by id later; unknown and settled ones append nothing."""
    workflow_id = await calls.start()
    await calls.claim()
    await calls.submit(
        workflow_id, create_promise("a"), create_promise("b"), resolve_promise("a", b"1"), status=RUNNING
    )
    _, second = await _created(calls, workflow_id)
    await calls.submit(
        workflow_id, *(resolve_promise(each, b"2") for each in ("a", second, second, "unknown")), status=RUNNING
    )
    settled = [
        (data["promiseName"], data["value"]) for _, kind, data in await calls.events(workflow_id) if "RES" in kind
    ]
    assert settled == [("a", 1), ("b", 2)]


async def test_a_promise_of_an_ended_workflow_is_settled_without_an_event(calls: Calls) -> None:
    """The caller gets OK, the history stays as it was, and its time-out is forgotten."""
    workflow_id = await calls.start()
    await calls.step(create_promise("p", timeout_ms=60_000), complete(), status=COMPLETED)
    (promise_id,) = await _created(calls, workflow_id)
    await _resolve(calls, promise_id)
    assert (await calls.types(workflow_id))[-1] == "WORKFLOW_COMPLETED"
    assert await calls.client.engine.promises.expire_due() == (0, False)


async def test_unknown_and_malformed_promises_have_their_status(calls: Calls) -> None:
    """NOT_FOUND for an unknown one and for another tenant's, INVALID_ARGUMENT for what names none."""
    workflow_id = await calls.start()
    await calls.step(create_promise("p"))
    (promise_id,) = await _created(calls, workflow_id)
    for reference in (str(uuid4()), f"{workflow_id}:q", f"{uuid4()}/p"):
        assert (await refusal(_resolve(calls, reference)))[0] is grpc.StatusCode.NOT_FOUND
    assert (await refusal(_resolve(calls, promise_id, key=OTHER_KEY)))[0] is grpc.StatusCode.NOT_FOUND
    for reference in ("", "p", f"{workflow_id}:", f"{workflow_id}:\x00"):
        code, text = await refusal(_resolve(calls, reference))
        assert (code, "promise_id" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert (await refusal(_resolve(calls, promise_id, b"{")))[0] is grpc.StatusCode.INVALID_ARGUMENT
