"""Clients as they should be: they try again what failed for the moment. And a load of them."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any, Self

import grpc.aio

from proto.flovyn.v1 import workflow_pb2, workflow_pb2_grpc
from tests.support.running import TENANT, Connection, bearer

# the configuration of a client that retries UNAVAILABLE and CANCELLED
RETRYING = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "waitForReady": True,
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                },
            }
        ]
    }
)
CHANNEL = [
    ("grpc.service_config", RETRYING),
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own, so that several reach several workers
]
CONNECTIONS = 4

PATIENCE_S = 60.0
"""A call that has not succeeded by then has failed."""

FOR_THE_MOMENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


class Persistent(Connection):
    """A connection to a server on this host, whose calls are made again until they succeed."""

    def __init__(self, port: int) -> None:
        super().__init__(grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL))
        self.dispatch, self.tasks, self.lifecycle = (
            _Insisting(self, stub) for stub in (self.dispatch, self.tasks, self.lifecycle)
        )
        self.answered = 0
        self.repeated = 0
        """How often all attempts that the channel itself makes had failed."""
        self._news = asyncio.Condition()

    async def more(self, calls: int) -> None:
        """Wait until so many more calls have been answered."""
        wanted = self.answered + calls
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: self.answered >= wanted), PATIENCE_S)

    async def insist(self, call: Any, request: Any, metadata: Any) -> Any:
        """Make a call until it succeeds, or fails for good; the channel makes the pauses."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    answer = await call(request, metadata=metadata)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in FOR_THE_MOMENT:
                        raise
                    self.repeated += 1
                else:
                    async with self._news:
                        self.answered += 1
                        self._news.notify_all()
                    return answer


class _Insisting:
    """A stub of whose calls ``Persistent`` takes care."""

    def __init__(self, connection: Persistent, stub: Any) -> None:
        self._connection = connection
        self._stub = stub

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._stub, name)

        async def insist(request: Any, metadata: Any) -> Any:
            return await self._connection.insist(call, request, metadata)

        return insist


class Load:
    """Callers that start workflows and pollers that are parked, until told to stop; every failure is kept."""

    def __init__(self, port: int, callers: int, pollers: int) -> None:
        self._channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=CHANNEL) for _ in range(CONNECTIONS)]
        self._stubs = itertools.cycle(workflow_pb2_grpc.WorkflowDispatchStub(each) for each in self._channels)
        self.calls = 0
        self.failures: list[str] = []
        self._over = False
        self._callers, self._pollers = callers, pollers
        self._progress = asyncio.Condition()

    async def __aenter__(self) -> Self:
        calls = [self._start] * self._callers + [self._poll] * self._pollers
        self._tasks = [asyncio.create_task(self._repeat(call, next(self._stubs))) for call in calls]
        await self.more(20)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._over = True
        for task in self._tasks[self._callers :]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(each.close() for each in self._channels))

    async def more(self, calls: int) -> None:
        """Wait until this many more calls have been answered."""
        wanted = self.calls + calls
        async with self._progress:
            await asyncio.wait_for(self._progress.wait_for(lambda: self.calls >= wanted), 30)

    async def _repeat(self, call: Any, stub: Any) -> None:
        while not self._over:
            try:
                await call(stub)
            except grpc.aio.AioRpcError as error:
                self.failures.append(f"{error.code()} {error.details()}")
            async with self._progress:
                self.calls += 1
                self._progress.notify_all()

    async def _start(self, stub: Any) -> None:
        request = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k", queue="starts")
        await stub.StartWorkflow(request, metadata=bearer())

    async def _poll(self, stub: Any) -> None:
        request = workflow_pb2.PollRequest(tenant_id=str(TENANT), queue="empty")
        await stub.PollWorkflow(request, metadata=bearer())
