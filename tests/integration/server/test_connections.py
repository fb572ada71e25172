"""Slow and silent clients without credentials: their connections end, and other clients get in."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from proto.flovyn.v1 import task_pb2, task_pb2_grpc
from tests.support.pex import FOR_TENANT, Serving
from tests.support.postgres import Databases
from tests.support.running import TENANT, WORKER_KEY, bearer
from tests.support.source import source_edition

WAIT_S = 20
FILES = (300, 400)
SHORT = {
    "LIMITS__HEAD_TIMEOUT": "1",
    "LIMITS__BODY_TIMEOUT": "1",
    "LIMITS__IDLE_TIMEOUT": "1",
    "LIMITS__ANSWER_TIMEOUT": "1",
    **FOR_TENANT,
}
HEAD = b"POST /api/v1/tenants/test/task-executions HTTP/1.1\r\nhost: h\r\n"
ALLOWED = f"authorization: Bearer {WORKER_KEY}\r\n".encode()
LIVE = b"GET /_/health/live HTTP/1.1\r\nhost: h\r\n\r\n"


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with few descriptors and short limits."""
    program = source_edition(tmp_path_factory.mktemp("edition"), FILES)
    with databases.migrated() as url, Serving(program, url, **SHORT) as server:
        yield server


async def _connected(server: Serving) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", server.http_port)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """Return the bytes that the server sends until it closes the connection."""
    async with asyncio.timeout(WAIT_S):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b" 408 "),
        (b"GET /_/health", b" 408 "),
        (HEAD, b" 408 "),
        (HEAD + ALLOWED + b"content-length: 100\r\n\r\n{", b" 408 "),
        (HEAD + ALLOWED + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n", b" 408 "),
        (HEAD + b"content-length: 100\r\n\r\n{", b" 401 "),
        (LIVE, b" 200 "),
        (LIVE + b"GET /_/he", b" 200 "),
    ],
)
async def test_a_client_that_sends_no_more_is_disconnected(server: Serving, sent: bytes, status: bytes) -> None:
    """Nothing at all, half a head, a head without its body, no further request."""
    reader, writer = await _connected(server)
    writer.write(sent)
    answer = await _rest(reader)
    assert status in answer.partition(b"\r\n")[0]
    writer.close()


@pytest.mark.parametrize("head", [b"", HEAD + ALLOWED + b"content-length: 1000\r\n\r\n"])
async def test_a_client_that_drips_is_disconnected(server: Serving, head: bytes) -> None:
    """A byte now and then does not begin the time anew."""
    reader, writer = await _connected(server)
    writer.write(head)
    closed = asyncio.ensure_future(_rest(reader))
    for _ in range(WAIT_S * 10):
        if (await asyncio.wait([closed], timeout=0.1))[0]:
            break
        writer.write(b"x")
    await closed
    writer.close()


async def test_requests_that_come_one_after_the_other_keep_their_connection(server: Serving) -> None:
    """Also one whose head comes in two parts after the idle time of the one before has begun."""
    reader, writer = await _connected(server)
    for _ in range(3):
        for part in (LIVE[:10], LIVE[10:]):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT_S)
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        assert b" 200 " in head
        await reader.readexactly(length)
    writer.close()


async def test_more_sockets_than_descriptors_keep_no_client_out(server: Serving) -> None:
    """Idle, half and dripping ones on both ports: REST and gRPC go on, and the log stays short."""
    sockets = []
    for number in range(600):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", server.http_port if number % 3 else server.grpc_port))
        sockets.append(one)
        if number % 3 == 1:
            await _sent(one, HEAD)
        if number % 100 == 99:
            status, _ = await asyncio.to_thread(server.get, "/_/health/ready")
            assert status == 200
            await _grpc_answers(server)
    status, _ = await asyncio.to_thread(
        server.send, "POST", "/api/v1/tenants/test/task-executions", WORKER_KEY, {"kind": "k"}
    )
    assert status == 201
    assert max(_open_files(pid) for pid in server.workers()) < FILES[1]
    assert len(server.log) < 50
    for one in sockets:
        one.close()


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one(server: Serving) -> None:
    for pid in server.workers():
        line = next(each for each in Path(f"/proc/{pid}/limits").read_text().splitlines() if "open files" in each)
        assert line.split()[3:5] == [str(FILES[1])] * 2
    assert any("too few files may be opened" in str(each["event"]) for each in server.log)


async def test_a_server_that_may_open_too_few_files_does_not_start(database: str, tmp_path: Path) -> None:
    server = Serving(source_edition(tmp_path, (110, 110)), database, **SHORT)
    try:
        assert await asyncio.to_thread(server.process.wait, WAIT_S) == 1
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


async def test_a_call_without_credentials_cannot_make_the_server_read_a_large_message(server: Serving) -> None:
    """It is refused by its size before it is read whole, and by its credentials where it is small enough."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub: Any = task_pb2_grpc.TaskExecutionStub(channel)
        for size, status in ((2**23, "RESOURCE_EXHAUSTED"), (2**20, "UNAUTHENTICATED")):
            request = task_pb2.CompleteTaskRequest(task_execution_id="t", output=b"1" * size)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.CompleteTask(request)
            assert caught.value.code().name == status


async def _sent(one: socket.socket, data: bytes) -> None:
    async with asyncio.timeout(WAIT_S):
        with suppress(OSError):  # it was closed for a newer one already
            await asyncio.get_running_loop().sock_sendall(one, data)


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def _grpc_answers(server: Serving) -> None:
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=options) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=WAIT_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        stub: Any = task_pb2_grpc.TaskExecutionStub(channel)
        await stub.SubmitTask(task_pb2.SubmitTaskRequest(tenant_id=str(TENANT), kind="k"), metadata=bearer())
