"""A whole server inside the test's process: the boot sequence of a worker, gRPC on a real port, REST as an app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import grpc.aio
from falcon import testing

from core.build_info import BuildInfo, PluginInfo
from core.plugin import Plugin
from proto.flovyn.v1 import task_pb2_grpc, worker_pb2_grpc, workflow_pb2_grpc
from server.boot.edition import Edition
from server.boot.preparation import Prepared, configure
from server.boot.startup import Server, prepare, running
from server.config.load import Sources
from server.process.ports import hold
from tests.support.pgbouncer import addresses

TENANT = UUID("11111111-1111-4111-8111-111111111111")
OTHER_TENANT = UUID("22222222-2222-4222-8222-222222222222")
WORKER_KEY = "flovyn_wk_test_0123456789abcdef"
OTHER_KEY = "flovyn_wk_test_other_0123456789"
OPERATOR_KEY = "operator-key-0123456789abcdef"

CONFIG: Mapping[str, Any] = {
    "bind_host": "127.0.0.1",
    "tenants": [
        {"id": str(TENANT), "slug": "test", "name": "Test"},
        {"id": str(OTHER_TENANT), "slug": "other", "name": "Other"},
    ],
    "auth": {
        "static_api_key": {
            "keys": [
                {
                    "key": WORKER_KEY,
                    "tenant_id": str(TENANT),
                    "principal_type": "Worker",
                    "principal_id": "worker:test",
                },
                {"key": OTHER_KEY, "tenant_id": str(OTHER_TENANT), "principal_type": "Worker", "principal_id": "w2"},
                {"key": OPERATOR_KEY, "role": "OPERATOR", "principal_id": "operator:test"},
            ]
        }
    },
}


class Connection:
    """The stubs of a client and a worker of a server, wherever it runs.

    Attributes:
        tenant_id: the tenant that calls name.
        metadata: the credentials of calls.
    """

    def __init__(self, channel: grpc.aio.Channel, tenant_id: str = str(TENANT), key: str = WORKER_KEY) -> None:
        self.channel = channel
        self.tenant_id = tenant_id
        self.metadata = bearer(key)
        self.dispatch: Any = workflow_pb2_grpc.WorkflowDispatchStub(channel)
        self.tasks: Any = task_pb2_grpc.TaskExecutionStub(channel)
        self.lifecycle: Any = worker_pb2_grpc.WorkerLifecycleStub(channel)


class Client(Connection):
    """A connection to a server that runs inside the test's process, and handles of the server's parts.

    Attributes:
        settings: the settings that it runs with.
        pool: its connection pool.
        engine: its engine.
        registry: its plugins.
        routes: all its REST routes; ``server_routes`` without those of plugins.
        grpc_services: all its gRPC services.
        authentication: its checks of callers, and its observers.
        leadership: whether it leads the deployment.
        listening: receives the notifications of other processes.
        call_caps: its caps on calls under way.
        app: its REST app.
        openapi: returns its OpenAPI document.
        drain: begins to stop it.
    """

    def __init__(self, server: Server, channel: grpc.aio.Channel) -> None:
        super().__init__(channel)
        self.settings = server.prepared.settings
        self.pool = server.database.pool
        self.engine = server.engine
        self.registry = server.plugins.registry
        self.server_routes = server.plugins.server_routes
        self.routes = server.plugins.routes
        self.grpc_services = server.grpc.services
        self.authentication = server.authentication
        self.leadership = server.database.leadership
        self.listening = server.listening
        self.call_caps = server.call_caps
        self.app = server.app
        self.openapi = server.plugins.openapi
        self.drain = server.grpc.drain

    async def rest(
        self, method: str, path: str, body: object = None, key: str | None = OPERATOR_KEY, **more: Any
    ) -> testing.Result:
        """Make one REST request."""
        headers = more.pop("headers", [] if key is None else [("authorization", f"Bearer {key}")])
        async with testing.ASGIConductor(self.app) as conductor:
            answer: testing.Result = await conductor.simulate_request(method, path, headers=headers, json=body, **more)
        return answer


@asynccontextmanager
async def another_connection(client: Client) -> AsyncIterator[Connection]:
    """Connect to the client's server once more, as another worker does."""
    address = f"127.0.0.1:{client.settings.grpc_server_port}"
    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield Connection(channel)


def bearer(key: str = WORKER_KEY) -> tuple[tuple[str, str], ...]:
    """Return the gRPC metadata of a key."""
    return (("authorization", f"Bearer {key}"),)


def prepared_for(
    database_url: str, plugins: Sequence[type[Plugin]] = (), file: Mapping[str, Any] = CONFIG, **environ: str
) -> Prepared:
    """Return the checked configuration of a server on the database."""
    infos = tuple(PluginInfo(plugin.name, plugin.version) for plugin in plugins)
    edition = Edition(BuildInfo("test", "0.0.0", "3.11", "", infos), lambda: [plugin() for plugin in plugins])
    return configure(edition, Sources(file, {**addresses(database_url), **environ}))


@asynccontextmanager
async def running_server(
    database_url: str, plugins: Sequence[type[Plugin]] = (), config: Mapping[str, Any] | None = None, **environ: str
) -> AsyncIterator[Client]:
    """Run a server on the database, with both tenants and all keys of ``CONFIG``."""
    with hold("127.0.0.1", 0, "port") as holder:
        port = holder.getsockname()[1]
        file = {**(CONFIG if config is None else config), "grpc_server_port": port}
        prepared = prepared_for(database_url, plugins, file, **environ)
        await prepare(prepared)
        async with running(prepared) as server, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Client(server, channel)
