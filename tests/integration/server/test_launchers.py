"""The launchers: the calls of the engine that plugins may make."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from core.errors import AlreadyExists, InvalidInput, NotFound
from core.launchers import IdempotencyKey, PromiseResolver, WorkflowLaunch, WorkflowLauncher
from core.payload import Json
from server.engine.launchers import EnginePromiseResolver, EngineWorkflowLauncher
from tests.support.driving import Calls, create_promise
from tests.support.running import OTHER_TENANT, TENANT, running_server


@pytest_asyncio.fixture
async def calls(database: str) -> AsyncIterator[Calls]:
    """A running server."""
    async with running_server(database) as client:
        yield Calls(client)


def _launcher(calls: Calls) -> WorkflowLauncher:
    return EngineWorkflowLauncher(calls.client.engine)


def _resolver(calls: Calls) -> PromiseResolver:
    return EnginePromiseResolver(calls.client.engine)


async def test_a_plugin_starts_a_workflow_once_per_key(calls: Calls) -> None:
    """A worker gets it with the payload as it was given; the same key leads to it again."""
    launch = WorkflowLaunch(TENANT, "k", Json('{"n": 1.0}'), "q", idempotency_key=IdempotencyKey("key"))
    first, second = [await _launcher(calls).launch(launch) for _ in range(2)]
    assert (first.is_new, second.is_new, first.id) == (True, False, second.id)
    execution = await calls.claim("q")
    assert (execution.id, execution.input) == (str(first.id), b'{"n": 1.0}')


@pytest.mark.parametrize(
    ("launch", "named"),
    [
        (WorkflowLaunch(TENANT, ""), "workflow_kind"),
        (WorkflowLaunch(TENANT, "k", Json("{")), "input"),
        (WorkflowLaunch(TENANT, "k", queue="q" * 101), "queue"),
        (WorkflowLaunch(TENANT, "k", metadata={"_flovyn_x": ""}), "metadata"),
        (WorkflowLaunch(TENANT, "k", workflow_version="\x00"), "workflow_version"),
        (WorkflowLaunch(TENANT, "k", idempotency_key=IdempotencyKey("")), "idempotency_key"),
        (WorkflowLaunch(TENANT, "k", idempotency_key=IdempotencyKey("k", timedelta(0))), "ttl"),
    ],
)
async def test_a_plugins_mistakes_are_named(calls: Calls, launch: WorkflowLaunch, named: str) -> None:
    """As a client's are."""
    with pytest.raises(InvalidInput, match=named):
        await _launcher(calls).launch(launch)


async def test_an_unknown_tenant_and_a_foreign_key_are_refused(calls: Calls) -> None:
    """NotFound, with a key and without; AlreadyExists for the key of a promise."""
    for key in (None, IdempotencyKey("key")):
        with pytest.raises(NotFound):
            await _launcher(calls).launch(WorkflowLaunch(uuid4(), "k", idempotency_key=key))
    await calls.start()
    await calls.step(create_promise("p", idempotency_key="key"))
    with pytest.raises(AlreadyExists):
        await _launcher(calls).launch(WorkflowLaunch(TENANT, "k", idempotency_key=IdempotencyKey("key")))


async def test_a_plugin_settles_a_promise_once(calls: Calls) -> None:
    """True for the settlement that counts, also when it is repeated, False for others, NotFound in another tenant."""
    workflow_id = await calls.start()
    await calls.step(create_promise("a"), create_promise("b"))
    first, second = (UUID(data["promiseId"]) for _, kind, data in await calls.events(workflow_id) if "CREATED" in kind)
    resolver = _resolver(calls)
    assert [await resolver.resolve(TENANT, first, Json("1")) for _ in range(2)] == [True, True]
    assert not await resolver.resolve(TENANT, first, Json("2"))
    assert await resolver.reject(TENANT, second, "no")
    assert not await resolver.reject(TENANT, first, "no")
    with pytest.raises(NotFound):
        await resolver.resolve(OTHER_TENANT, first, Json("1"))
    with pytest.raises(InvalidInput):
        await resolver.resolve(TENANT, first, Json("{"))
