"""The load of the benchmarks: a server process, and clients and workers that know nothing but the stubs."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc.aio

from proto.flovyn.v1 import task_pb2, task_pb2_grpc, workflow_pb2, workflow_pb2_grpc

TENANT = UUID("11111111-1111-4111-8111-111111111111")
KEY = "flovyn_wk_test_0123456789abcdef"
SCRAPER_KEY = "flovyn_scraper_0123456789abcdef"
COMPLETED = workflow_pb2.WORKFLOW_STATUS_COMPLETED
SUSPENDED = workflow_pb2.WORKFLOW_STATUS_SUSPENDED

_CONFIG = f"""
[[tenants]]
id = "{TENANT}"
slug = "bench"
name = "Bench"
[[auth.static_api_key.keys]]
key = "{KEY}"
tenant_id = "{TENANT}"
principal_type = "Worker"
principal_id = "worker:bench"
[[auth.static_api_key.keys]]
key = "{SCRAPER_KEY}"
role = "SCRAPER"
principal_id = "scraper:bench"
"""
_BOOT = """
import sys
from core.build_info import BuildInfo
from server.cli import run
from server.boot.edition import Edition
sys.exit(run(Edition(BuildInfo("bench", "0", "3.11", "", ()), lambda: []), ["serve"]))
"""
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
"""Every channel connects by itself, so that they spread over the server's processes."""


@dataclass(frozen=True)
class Server:
    """A running server."""

    grpc_port: int
    pid: int
    http_port: int


@contextmanager
def serving(url: str, folder: Path, **environ: str) -> Iterator[Server]:
    """Run a server from this source tree until the context is left."""
    config = folder / "config.toml"
    config.write_text(_CONFIG)
    http_port, grpc_port = _free_port(), _free_port()
    settings = {
        "DATABASE_URL": url,
        "CONFIG_FILE": str(config),
        "BIND_HOST": "127.0.0.1",
        "SERVER_PORT": str(http_port),
        "GRPC_SERVER_PORT": str(grpc_port),
        "LOG__LEVEL": "error",
        "ENGINE__POLL_HOLD_MS": "1000",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        **environ,
    }
    with subprocess.Popen([sys.executable, "-c", _BOOT], env={**os.environ, **settings}) as process:
        try:
            _wait_until_ready(process, http_port)
            yield Server(grpc_port, process.pid, http_port)
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the server ended during its start")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_/health/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the server did not become ready")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Connection:
    """One channel to a server, opened by the first call, and the calls that load it. Each round has its own queue."""

    def __init__(self, server: Server, queue: str, tenant: str = str(TENANT), key: str = KEY) -> None:
        self._queue = queue
        self._tenant = tenant
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=_OWN_CONNECTION)
        self._dispatch: Any = workflow_pb2_grpc.WorkflowDispatchStub(self.channel)
        self._tasks: Any = task_pb2_grpc.TaskExecutionStub(self.channel)
        self._metadata = (("authorization", f"Bearer {key}"),)

    async def start(self) -> str:
        """Start a workflow."""
        request = workflow_pb2.StartWorkflowRequest(
            tenant_id=self._tenant, workflow_kind="k", input=b'{"n": 1}', queue=self._queue
        )
        return str((await self._dispatch.StartWorkflow(request, metadata=self._metadata)).workflow_execution_id)

    async def poll(self) -> Any:
        """Poll for a workflow; None when there was none."""
        request = workflow_pb2.PollRequest(worker_id="w", tenant_id=self._tenant, queue=self._queue)
        answer = await self._dispatch.PollWorkflow(request, metadata=self._metadata)
        return answer.workflow_execution if answer.HasField("workflow_execution") else None

    async def events(self, workflow_id: str) -> list[str]:
        """Read a history; return the types of its events."""
        request = workflow_pb2.GetEventsRequest(workflow_execution_id=workflow_id)
        answer = await self._dispatch.GetEvents(request, metadata=self._metadata)
        return [event.event_type for event in answer.events]

    async def complete(self, workflow_id: str) -> None:
        """Complete a workflow."""
        end = workflow_pb2.WorkflowCommand(complete_workflow=workflow_pb2.CompleteWorkflowCommand(output=b"1"))
        await self._submit(workflow_id, end, COMPLETED)

    async def sleep(self, workflow_id: str, milliseconds: int) -> None:
        """Set a timer and suspend."""
        timer = workflow_pb2.WorkflowCommand(
            sequence_number=1,
            start_timer=workflow_pb2.StartTimerCommand(timer_id="timer", duration_ms=milliseconds),
        )
        await self._submit(workflow_id, timer, SUSPENDED)

    async def schedule(self, workflow_id: str, task_id: str) -> None:
        """Schedule one task and suspend."""
        task = workflow_pb2.ScheduleTaskCommand(kind="t", input=b"1", task_execution_id=task_id)
        await self._submit(workflow_id, workflow_pb2.WorkflowCommand(schedule_task=task), SUSPENDED)

    async def work(self) -> bool:
        """Poll for a task and complete it; tell whether there was one."""
        request = task_pb2.PollTaskRequest(worker_id="w", tenant_id=self._tenant, queue=self._queue)
        answer = await self._tasks.PollTask(request, metadata=self._metadata)
        if not answer.HasField("task"):
            return False
        done = task_pb2.CompleteTaskRequest(task_execution_id=answer.task.task_execution_id, output=b"1")
        await self._tasks.CompleteTask(done, metadata=self._metadata)
        return True

    async def _submit(self, workflow_id: str, command: workflow_pb2.WorkflowCommand, status: Any) -> None:
        request = workflow_pb2.SubmitWorkflowCommandsRequest(
            workflow_execution_id=workflow_id, commands=[command], status=status
        )
        await self._dispatch.SubmitWorkflowCommands(request, metadata=self._metadata)


@contextmanager
def cancelled_after(tasks: list[asyncio.Task[Any]]) -> Iterator[None]:
    """Cancel tasks when the context is left."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
