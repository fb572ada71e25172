"""A running worker process: what heals, and what a start refuses."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from core.errors import ConfigError, PluginError, StartupError
from plugins.worker_token.plugin import WorkerTokenPlugin
from proto.flovyn.v1 import workflow_pb2
from server.background.supervisor import Supervisor
from tests.support.postgres import Databases
from tests.support.running import CONFIG, TENANT, bearer, running_server


async def test_work_of_another_process_wakes_a_parked_poller(database: str) -> None:
    """Two servers on one database: a start on one answers the poll that waits on the other, by notification."""
    async with (
        running_server(database, ENGINE__POLL_HOLD_MS="60000") as here,
        running_server(database) as there,
    ):
        await asyncio.wait_for(here.boot.listening.connected.wait(), 5)
        poll = asyncio.ensure_future(
            here.dispatch.PollWorkflow(workflow_pb2.PollRequest(tenant_id=str(TENANT)), metadata=bearer())
        )
        await asyncio.wait_for(here.boot.wakeups.parked.wait(), 5)
        start = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
        started = await there.dispatch.StartWorkflow(start, metadata=bearer())
        answer = await asyncio.wait_for(poll, 1.5)  # sooner than the poller would look by itself
        assert answer.workflow_execution.id == started.workflow_execution_id


async def test_the_server_heals_when_its_connections_are_cut(database: str) -> None:
    """After every connection was terminated, calls work again and the listener listens again."""
    async with running_server(database) as client:
        listening = client.boot.listening
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
        run_id = (await client.dispatch.StartWorkflow(start)).workflow_execution_id
        assert (await client.dispatch.GetEvents(workflow_pb2.GetEventsRequest(workflow_execution_id=run_id))).events


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


async def test_a_service_that_ends_by_itself_is_started_again() -> None:
    """Returning and raising both lead to a restart; stopping twice, or before the start, is safe."""
    runs = 0
    third = asyncio.Event()

    class Ending:
        name = "ending"

        async def run(self) -> None:
            nonlocal runs
            runs += 1
            if runs == 1:
                raise RuntimeError
            if runs >= 3:
                third.set()

    supervisor = Supervisor([Ending()])
    await supervisor.stop()
    supervisor.start()
    supervisor.start()
    await asyncio.wait_for(third.wait(), 5)
    await supervisor.stop()
    await supervisor.stop()
    assert runs >= 3
