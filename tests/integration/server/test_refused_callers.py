"""Callers who are refused learn why, cost little, leave a trace in the log, and do not delay other callers."""

from __future__ import annotations

import time
from typing import Any

import grpc
import pytest

from plugins.worker_token.plugin import WorkerTokenPlugin
from proto.flovyn.v1 import task_pb2
from tests.support.running import CONFIG, TENANT, WORKER_KEY, Client, bearer, running_server

SUBMIT = task_pb2.SubmitTaskRequest(tenant_id=str(TENANT), kind="k")
PLACE = "/api/v1/tenants/test"
GUESS = "not-a-key-of-anybody-0123456789"
UNKNOWN_TOKEN = "fwt_" + "x" * 43


def _limited(failures: int) -> dict[str, Any]:
    keys = {**CONFIG["auth"]["static_api_key"], "max_failures": failures, "failures_per_minute": 1}
    return {**CONFIG, "auth": {**CONFIG["auth"], "static_api_key": keys}}


async def _grpc(client: Client, *keys: str) -> grpc.StatusCode:
    """Return the status of a call with these credentials, one after the other."""
    try:
        await client.tasks.SubmitTask(SUBMIT, metadata=[each for key in keys for each in bearer(key)])
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def _rest(client: Client, *keys: str) -> int:
    headers = [("authorization", f"Bearer {key}") for key in keys]
    return (await client.rest("GET", PLACE, key=None, headers=headers)).status_code


@pytest.mark.parametrize(
    "keys", [(WORKER_KEY, WORKER_KEY), (WORKER_KEY, GUESS), (GUESS, WORKER_KEY), (UNKNOWN_TOKEN, WORKER_KEY)]
)
async def test_several_credentials_are_refused(database: str, keys: tuple[str, ...]) -> None:
    """Over both protocols, in any order: whose call it is would depend on which of them is looked at."""
    async with running_server(database, [WorkerTokenPlugin], WORKER_TOKEN_SECRET="s" * 32) as client:
        assert await _grpc(client, *keys) is grpc.StatusCode.UNAUTHENTICATED
        assert await _rest(client, *keys) == 401
        assert await _grpc(client, WORKER_KEY) is grpc.StatusCode.OK


async def test_guesses_at_static_keys_are_limited_and_valid_keys_are_not(database: str) -> None:
    """The limit is one for both protocols; a caller with a key is admitted from the same address all the while."""
    async with running_server(database, config=_limited(4)) as client:
        assert [await _grpc(client, GUESS) for _ in range(3)] == [grpc.StatusCode.UNAUTHENTICATED] * 3
        assert await _rest(client, GUESS) == 401
        assert [await _grpc(client, GUESS), await _rest(client, GUESS)] == [grpc.StatusCode.RESOURCE_EXHAUSTED, 429]
        assert [await _grpc(client, WORKER_KEY), await _rest(client, WORKER_KEY)] == [grpc.StatusCode.OK, 200]
        assert (await client.rest("GET", PLACE, key=None)).status_code == 401  # no credentials are no guess
        elsewhere = await client.rest("GET", PLACE, key=GUESS, remote_addr="192.0.2.7")
        assert elsewhere.status_code == 401


async def test_refused_callers_leave_few_lines_without_their_credentials(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At most one line a second for each protocol and code, with the operation, the source and a count."""
    async with running_server(database) as client:
        caplog.clear()
        began = time.monotonic()
        for _ in range(100):
            await _grpc(client, GUESS)
            await _rest(client, GUESS)
        took = time.monotonic() - began
    lines = [record.getMessage() for record in caplog.records if "was refused" in record.getMessage()]
    assert 2 <= len(lines) <= 4 * (1 + took)
    assert any("/flovyn.v1.TaskExecution/SubmitTask" in line and "127.0.0.1" in line for line in lines)
    assert any(f"GET {PLACE.replace('test', '{slug}')}" in line for line in lines)
    assert GUESS not in caplog.text


async def test_unknown_methods_leave_few_lines(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """Of services that are there and of such that are not; the method is named, cut to size, on one line."""
    async with running_server(database) as client:
        caplog.clear()
        began = time.monotonic()
        for path in ["/flovyn.v1.TaskExecution/Nothing", "/no.Such/Thing", "/" + "x" * 3000, *["/a/b"] * 50]:
            call: Any = client.channel.unary_unary(path)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(b"")
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        took = time.monotonic() - began
    lines = [record.getMessage() for record in caplog.records if "unknown gRPC method" in record.getMessage()]
    assert 1 <= len(lines) <= 1 + took
    assert "'/flovyn.v1.TaskExecution/Nothing'" in lines[0]
    assert all(len(line) < 400 for line in lines)
