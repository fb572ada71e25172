"""Calls that no worker depends on: news of work, queries, visual definitions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest_asyncio

from proto.flovyn.v1 import query_pb2, query_pb2_grpc
from proto.flovyn.v1 import workflow_pb2 as pb
from server.domain.worker import Category
from tests.support.driving import Calls, refusal
from tests.support.running import OTHER_KEY, TENANT, bearer, running_server


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


async def test_queries_are_refused_with_a_reason(calls: Calls) -> None:
    """UNIMPLEMENTED, with what to do instead."""
    stub = query_pb2_grpc.WorkflowQueryStub(calls.client.channel)
    code, text = await refusal(stub.QueryWorkflow(query_pb2.QueryWorkflowRequest(), metadata=bearer()))
    assert (code, "events" in text) == (grpc.StatusCode.UNIMPLEMENTED, True)


async def test_there_are_no_visual_definitions(calls: Calls) -> None:
    """NOT_FOUND for every one."""
    request = pb.GetVisualWorkflowDefinitionByIdRequest(workflow_definition_id="d")
    code, _ = await refusal(calls.dispatch.GetVisualWorkflowDefinitionById(request, metadata=bearer()))
    assert code is grpc.StatusCode.NOT_FOUND


async def test_a_text_that_repeats_a_long_id_fits_into_the_answer(calls: Calls) -> None:
    """Longer trailers than a client takes would turn NOT_FOUND into RESOURCE_EXHAUSTED."""
    request = pb.GetVisualWorkflowDefinitionByIdRequest(workflow_definition_id="\U0001f600" * 20_000)
    code, _ = await refusal(calls.dispatch.GetVisualWorkflowDefinitionById(request, metadata=bearer()))
    assert code is grpc.StatusCode.NOT_FOUND


async def test_a_subscriber_hears_of_work_in_its_queue(calls: Calls) -> None:
    """Until it goes; work of other queues is no news to it."""
    stream = calls.dispatch.SubscribeToNotifications(
        pb.SubscriptionRequest(worker_id="w", tenant_id=str(TENANT), queue="q"), metadata=bearer()
    )
    reading = asyncio.ensure_future(stream.read())

    async def start_both() -> bool:
        await calls.start()
        await calls.start(queue="q")
        return bool(reading.done())

    await calls.until(start_both, lambda done: done)
    event = reading.result()
    assert (event.tenant_id, event.queue, event.timestamp_ms > 0) == (str(TENANT), "q", True)
    stream.cancel()


async def test_subscriptions_end_with_the_server(database: str) -> None:
    """A server that is being drained does not wait for them."""
    async with running_server(database) as client:
        request = pb.SubscriptionRequest(worker_id="w", tenant_id=str(TENANT), queue="q")
        stream = client.dispatch.SubscribeToNotifications(request, metadata=bearer())
        reading = asyncio.ensure_future(stream.read())
        calls = Calls(client)
        watchers = client.engine.wakeups[Category.WORKFLOW]._watchers
        await calls.until(calls.poll, lambda _: bool(watchers))
        async with asyncio.timeout(5):
            await client.drain()
            assert await reading is grpc.aio.EOF


async def test_another_tenants_queue_cannot_be_watched(calls: Calls) -> None:
    """PERMISSION_DENIED."""
    request = pb.SubscriptionRequest(worker_id="w", tenant_id=str(TENANT), queue="q")
    stream = calls.dispatch.SubscribeToNotifications(request, metadata=bearer(OTHER_KEY))
    assert (await refusal(stream.read()))[0] is grpc.StatusCode.PERMISSION_DENIED
