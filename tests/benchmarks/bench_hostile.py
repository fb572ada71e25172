"""How much one tenant can slow another one down, with the worst calls that it can send on 20 connections.

    .venv/bin/python -m tests.benchmarks.bench_hostile [NAME OF A CALL ...]

Server, PostgreSQL and load share this machine. For each call: the other tenant's starts, alone and meanwhile, the longest
answer of ``/_/health/live``, refusals by status, and how much the server's memory grew.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio

from proto.flovyn.v1 import task_pb2, worker_pb2, workflow_pb2
from server.database.embedded import Cluster
from tests.benchmarks.engine_load import KEY, TENANT, Connection, Server, serving

CONNECTIONS = 20
SECONDS = 6.0
CALM_S = 4.0
VICTIMS, PAUSE_S = 4, 0.02
MIB = 2**20
ATTACKER, ATTACKER_KEY = "22222222-2222-4222-8222-222222222222", "flovyn_wk_test_attacker_0123456"
TENANTS = [
    {"id": str(TENANT), "slug": "bench", "name": "Bench"},
    {"id": ATTACKER, "slug": "attacker", "name": "Attacker"},
]
KEYS = [{"key": KEY, "tenant_id": str(TENANT)}, {"key": ATTACKER_KEY, "tenant_id": ATTACKER}]
NESTED = b"[" + b"[]," * (MIB // 3 - 2) + b"1]"
AT_THE_LIMIT = b"[" + (b"[" * 400 + b"]" * 400 + b",") * 240 + b"1]"


def _commands(count: int, **command: Any) -> bytes:
    commands = [workflow_pb2.WorkflowCommand(**command)] * count
    request = workflow_pb2.SubmitWorkflowCommandsRequest(workflow_execution_id=ATTACKER, commands=commands)
    return request.SerializeToString()


def _registration() -> bytes:
    kinds = [worker_pb2.TaskCapability(kind=f"kind-{n}") for n in range(100_000)]
    return worker_pb2.WorkerRegistrationRequest(
        worker_name="w", worker_type="TASK", tenant_id=ATTACKER, tasks=kinds
    ).SerializeToString()


SUBMIT = "/flovyn.v1.WorkflowDispatch/SubmitWorkflowCommands"
CALLS: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "small calls": (SUBMIT, lambda: _commands(1, clear_state={"key": "k"})),
    "3 MiB of nested arrays": (
        SUBMIT,
        lambda: _commands(3, record_operation={"operation_name": "n", "result": NESTED}),
    ),
    "arrays at the limit": (
        "/flovyn.v1.TaskExecution/CompleteTask",
        lambda: task_pb2.CompleteTaskRequest(task_execution_id=ATTACKER, output=AT_THE_LIMIT).SerializeToString(),
    ),
    "700,000 commands": (SUBMIT, lambda: _commands(700_000)),
    "2,000 commands": (SUBMIT, lambda: _commands(2000, set_state={"key": "k", "value": b"1"})),
    "100,000 kinds": ("/flovyn.v1.WorkerLifecycle/RegisterWorker", _registration),
    "500,000 capabilities": (
        "/flovyn.v1.WorkflowDispatch/PollWorkflow",
        lambda: workflow_pb2.PollRequest(tenant_id=ATTACKER, workflow_capabilities=["k"] * 500_000).SerializeToString(),
    ),
    "a message of 15 MiB": (SUBMIT, lambda: _commands(15, record_operation={"result": b"1" * (MIB - 100)})),
    "2 MiB of unknown members": (
        "POST",
        lambda: json.dumps({f"{n:x}": n for n in range(130_000)}).encode()[: 2 * MIB - 1] + b"}",
    ),
}


class Attack:
    """Sends one call again and again, each connection the next one when the last is answered."""

    def __init__(self, server: Server, name: str) -> None:
        self.method, make = CALLS[name]
        self.data = make()
        self.server = server
        self.answers: Counter[str] = Counter()

    async def run(self) -> None:
        """Attack until cancelled."""
        one = self._rest if self.method == "POST" else self._grpc
        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))

    async def _grpc(self) -> None:
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.server.grpc_port}", options=options) as channel:
            call: Any = channel.unary_unary(self.method)
            while True:
                try:
                    await call(self.data, metadata=(("authorization", f"Bearer {ATTACKER_KEY}"),))
                    self.answers["OK"] += 1
                except grpc.aio.AioRpcError as error:
                    self.answers[error.code().name] += 1

    async def _rest(self) -> None:
        head = (
            "POST /api/v1/tenants/attacker/workflow-executions HTTP/1.1\r\nhost: h\r\n"
            f"authorization: Bearer {ATTACKER_KEY}\r\ncontent-length: {len(self.data)}\r\nconnection: close\r\n\r\n"
        )
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.server.http_port)
                writer.write(head.encode() + self.data)
                answer = await reader.read()
                writer.close()
                self.answers[answer[9:12].decode()] += 1
            except OSError as error:
                self.answers[type(error).__name__] += 1


async def _starts(server: Server, seconds: float, taken: list[float]) -> None:
    """Start runs at a moderate rate; note the milliseconds that each start took."""
    connection = Connection(server, "victim")
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        try:
            await connection.start()
            taken.append((time.perf_counter() - began) * 1000)
        except grpc.aio.AioRpcError:
            taken.append(float("inf"))
        await asyncio.sleep(PAUSE_S)
    await connection.channel.close()


async def _alive(server: Server, seconds: float, taken: list[float]) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
        writer.write(b"GET /_/health/live HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
        await reader.read()
        writer.close()
        taken.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.01)


async def _measured(server: Server, seconds: float) -> tuple[float, float, float]:
    """Return median and 99th percentile of the starts, and the longest answer of the health check, in milliseconds."""
    starts, alive = list[float](), list[float]()
    watching = asyncio.create_task(_alive(server, seconds, alive))
    await asyncio.gather(*(_starts(server, seconds, starts) for _ in range(VICTIMS)))
    await watching
    starts.sort()
    return starts[len(starts) // 2], starts[int((len(starts) - 1) * 0.99)], max(alive)


@asynccontextmanager
async def _attacking(server: Server, name: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Attack from another process at the lowest priority: attackers have machines of their own, and take no core from a server."""
    process = await asyncio.create_subprocess_exec(
        "nice", "-n", "19", sys.executable, "-m", __spec__.name, "--attack", name, str(server.grpc_port), str(server.http_port),
        stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    await process.stdout.readline()
    yield process


def _memory(pid: int) -> float:
    """Return the largest resident size, in MiB, that a worker process of the server has had."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    sizes = [
        int(line.split()[1]) / 1024
        for child in children
        for line in Path(f"/proc/{child}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return max(sizes, default=0.0)


async def _attack(name: str, grpc_port: int, http_port: int) -> None:
    attack = Attack(Server(grpc_port, 0, http_port), name)
    print("ready", flush=True)
    running = asyncio.create_task(attack.run())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    running.cancel()
    print(" ".join(f"{key}:{count}" for key, count in attack.answers.most_common()), flush=True)


async def _compare(server: Server, names: list[str]) -> None:
    print(f"{'call':26} {'start p50':>10} {'p99':>8} {'p99 alone':>10} {'x':>5} {'alive max':>10} {'MiB':>6}  answers")
    await _measured(server, 1)
    for name in names:
        _, alone, _ = await _measured(server, CALM_S)
        before = _memory(server.pid)
        async with _attacking(server, name) as attacker:
            p50, p99, alive = await _measured(server, SECONDS)
            answers, _ = await attacker.communicate(b"\n")
        grown = _memory(server.pid) - before
        print(
            f"{name:26} {p50:10.1f} {p99:8.1f} {alone:10.1f} {p99 / alone:5.1f} {alive:10.1f} {grown:6.0f}  "
            f"{answers.decode().strip()}",
            flush=True,
        )


def main() -> None:
    """Attack, or start a server and compare."""
    if sys.argv[1:2] == ["--attack"]:
        asyncio.run(_attack(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
        return
    environ = {"TENANTS": json.dumps(TENANTS), "AUTH__STATIC_API_KEY__KEYS": json.dumps(KEYS)}
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder) / "postgres")
        cluster.start()
        try:
            with serving(cluster.url(), Path(folder), **environ) as server:
                asyncio.run(_compare(server, sys.argv[1:] or list(CALLS)))
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
