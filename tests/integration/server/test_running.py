"""A running worker process: what heals, and what a start refuses."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from core.build_info import BuildInfo, PluginInfo
from core.errors import AlreadyExists, ConfigError, PluginError, StartupError, Unavailable
from plugins.worker_token.plugin import WorkerTokenPlugin
from proto.flovyn.v1 import workflow_pb2
from server.background.supervisor import Supervisor
from server.boot.edition import Edition
from server.boot.preparation import configure
from server.config.load import Sources
from server.domain.worker import Category
from tests.support.postgres import Databases
from tests.support.running import CONFIG, TENANT, WORKER_KEY, bearer, running_server


async def test_work_of_another_process_wakes_a_parked_poller(database: str) -> None:
    """Two servers on one database: a start on one answers the poll that waits on the other, by notification."""
    async with (
        running_server(database, ENGINE__POLL_HOLD_MS="60000") as here,
        running_server(database) as there,
    ):
        await asyncio.wait_for(here.listening.connected.wait(), 5)
        poll = asyncio.ensure_future(
            here.dispatch.PollWorkflow(workflow_pb2.PollRequest(tenant_id=str(TENANT)), metadata=bearer())
        )
        await asyncio.wait_for(here.engine.wakeups[Category.WORKFLOW].parked.wait(), 5)
        start = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
        started = await there.dispatch.StartWorkflow(start, metadata=bearer())
        answer = await asyncio.wait_for(poll, 1.5)  # sooner than the poller would look by itself
        assert answer.workflow_execution.id == started.workflow_execution_id


async def test_the_server_heals_when_its_connections_are_cut(database: str) -> None:
    """After every connection was terminated, calls work again and the listener listens again."""
    async with running_server(database) as client:
        listening = client.listening
        await asyncio.wait_for(listening.connected.wait(), 5)
        listening.connected.clear()
        with psycopg.connect(database, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await asyncio.wait_for(listening.connected.wait(), 5)
        start = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
        assert (await client.dispatch.StartWorkflow(start, metadata=bearer())).workflow_execution_id


async def test_a_statement_that_takes_too_long_is_stopped(database: str) -> None:
    """The time-out is the server's own, and the caller may try again."""
    async with running_server(database, DATABASE__STATEMENT_TIMEOUT="0.2") as client:
        with pytest.raises(Unavailable, match="exceeded the time limit"):
            async with client.pool.connection() as connection:
                await connection.execute("SELECT pg_sleep(30)")


async def test_a_missing_secret_refuses_the_start(database: str) -> None:
    """An enabled authenticator that cannot work is no way to run without it."""
    with pytest.raises(PluginError, match="WORKER_TOKEN_SECRET"):
        async with running_server(database, [WorkerTokenPlugin]):
            pass


async def test_the_secret_is_not_needed_where_the_authenticator_is_not_enabled(database: str) -> None:
    """An explicit list without worker_token needs no secret."""
    only_keys = '["static_api_key"]'
    async with running_server(
        database,
        [WorkerTokenPlugin],
        AUTH__ENDPOINTS__HTTP__AUTHENTICATORS=only_keys,
        AUTH__ENDPOINTS__GRPC__AUTHENTICATORS=only_keys,
    ) as client:
        assert (await client.rest("GET", "/api/v1/tenants/test")).status_code == 200


async def test_an_empty_list_is_the_explicit_way_to_run_open(database: str) -> None:
    """Without authenticators, callers act for the one configured tenant."""
    config = {**CONFIG, "tenants": CONFIG["tenants"][:1]}
    async with running_server(database, config=config, AUTH__ENABLED="false") as client:
        start = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
        workflow_id = (await client.dispatch.StartWorkflow(start)).workflow_execution_id
        assert (
            await client.dispatch.GetEvents(workflow_pb2.GetEventsRequest(workflow_execution_id=workflow_id))
        ).events


async def test_unknown_authenticators_refuse_the_start(database: str) -> None:
    """A name that this edition lacks is not skipped."""
    with pytest.raises(ConfigError, match="no authenticator 'jwt'"):
        async with running_server(database, AUTH__ENDPOINTS__GRPC__AUTHENTICATORS='["jwt"]'):
            pass


async def test_a_migration_changed_after_it_was_applied_refuses_the_start(databases: Databases) -> None:
    """The start stops with the file's name, and the database stays as it is."""
    with databases.migrated() as database:
        with psycopg.connect(database, autocommit=True) as admin:
            admin.execute("UPDATE _plugin_migrations SET checksum = 'x' WHERE plugin = 'core' AND version = 2")
        with pytest.raises(StartupError, match=r"core: migration 0002_create_workflow\.sql was changed"):
            async with running_server(database):
                pass


async def test_the_roles_authorizer_answers_to_its_old_name(database: str) -> None:
    """The configuration of existing harnesses, which calls it cedar, starts; a worker may work and not administer."""
    environ = {"AUTH__ENDPOINTS__HTTP__AUTHORIZER": "cedar", "AUTH__ENDPOINTS__GRPC__AUTHORIZER": "cedar"}
    async with running_server(database, [WorkerTokenPlugin], None, **environ, WORKER_TOKEN_SECRET="x" * 32) as client:
        start = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
        assert (await client.dispatch.StartWorkflow(start, metadata=bearer())).workflow_execution_id
        body = {"displayName": "x"}
        refused = await client.rest("POST", "/api/v1/p/worker-token/tokens", body, key=WORKER_KEY)
        assert (refused.status_code, refused.json["error"]) == (403, "Worker may not create worker-token")
        assert (await client.rest("GET", "/api/v1/tenants")).status_code == 200


async def test_configured_tenants_are_updated_at_every_start(database: str) -> None:
    """The file decides on name and tier; a slug that another tenant has is refused in one line."""
    first, second = CONFIG["tenants"]
    for name in ("One", "Two"):
        config = {**CONFIG, "tenants": [{**first, "name": name}]}
        async with running_server(database, config=config) as client:
            assert (await client.rest("GET", "/api/v1/tenants/test")).json["name"] == name
    taken = {**CONFIG, "tenants": [{**second, "slug": "test"}]}
    with pytest.raises(AlreadyExists, match="test is taken by a tenant of another id"):
        async with running_server(database, config=taken):
            pass


async def test_a_plugin_that_calls_itself_otherwise_refuses_the_start(database: str) -> None:
    """An edition contains what it says; a class with another name than the build read is not it."""

    class Renamed(WorkerTokenPlugin):
        pass

    infos = [PluginInfo("worker-token", "0.1.0")]
    Renamed.name = "other-name"
    edition = Edition(BuildInfo("test", "0", "3.11", "", tuple(infos)), lambda: [Renamed()])
    with pytest.raises(PluginError, match="other-name"):
        configure(edition, Sources(CONFIG, {"DATABASE_URL": database}))


async def test_a_service_that_ends_by_itself_is_started_again() -> None:
    """Returning and raising both lead to a restart; stopping twice, or before the start, is safe."""
    starts = 0
    third = asyncio.Event()

    class Ending:
        name = "ending"

        async def run(self) -> None:
            nonlocal starts
            starts += 1
            if starts == 1:
                raise RuntimeError
            if starts >= 3:
                third.set()

    supervisor = Supervisor([Ending()])
    await supervisor.stop(5)
    supervisor.start()
    supervisor.start()
    await asyncio.wait_for(third.wait(), 5)
    await supervisor.stop(5)
    await supervisor.stop(5)
    assert starts >= 3
