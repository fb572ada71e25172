"""Signals and crashes: what gunicorn's worker and supervisor were changed for."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from proto.flovyn.v1 import workflow_pb2, workflow_pb2_grpc
from tests.support.load import Load
from tests.support.pex import FOR_TENANT, Serving, has_ended, pex, serving
from tests.support.running import TENANT, WORKER_KEY, bearer

LONG_HOLD = "60000"
CALLERS, POLLERS = 8, 20
SETTINGS = {
    "PROCESS__WORKERS": "2",
    "PROCESS__DRAIN_TIMEOUT": "8",
    "ENGINE__POLL_HOLD_MS": LONG_HOLD,
    **FOR_TENANT,
}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT"])
async def test_a_stop_answers_parked_polls_and_ends_soon(name: str, empty_database: str) -> None:
    """Polls that could wait a minute are answered empty; the exit code is 0 well before the drain's time is over."""
    async with (
        serving("MINIMAL_PEX", empty_database, **SETTINGS) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel,
    ):
        dispatch: Any = workflow_pb2_grpc.WorkflowDispatchStub(channel)
        request = workflow_pb2.PollRequest(tenant_id=str(TENANT))
        polls = [asyncio.ensure_future(dispatch.PollWorkflow(request, metadata=bearer())) for _ in range(POLLERS)]
        start = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k", queue="q")
        for _ in range(POLLERS):  # a round trip each on the one connection: by then the polls, sent first, are parked
            await dispatch.StartWorkflow(start, metadata=bearer())
        server.process.send_signal(getattr(signal, name))
        answers = await asyncio.wait_for(asyncio.gather(*polls), 6)
        assert not [each for each in answers if each.HasField("workflow_execution")]
        assert await asyncio.to_thread(server.process.wait, 6) == 0


async def test_a_stop_right_after_the_fork_is_not_lost(empty_database: str) -> None:
    """A signal that arrives while workers are starting still ends them within the drain's time."""
    server = Serving("MINIMAL_PEX", empty_database, **SETTINGS)
    try:
        await asyncio.to_thread(server.wait_for, r"starting \d+ worker")
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, 10) == 0
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


async def test_reload_replaces_all_workers_without_a_failed_call(empty_database: str) -> None:
    """HUP under load: new workers serve before old ones stop."""
    async with (
        serving("MINIMAL_PEX", empty_database, **SETTINGS) as server,
        Load(server.grpc_port, CALLERS, POLLERS) as load,
    ):
        before = set(server.workers())
        server.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(server.wait_for, "is serving", 4)
        await load.more(50)
        await _until(lambda: not before & set(server.workers()))
        await load.more(50)
        assert load.failures == []
        assert len(server.workers()) == 2


async def test_reload_takes_new_settings_and_refuses_wrong_ones(empty_database: str, tmp_path: Path) -> None:
    """HUP reads the file again: a new tenant and its key work; a mistake is logged, and the server serves on."""
    file = tmp_path / "config.toml"
    file.write_text("")
    environ = {"CONFIG_FILE": str(file), "PROCESS__WORKERS": "1"}
    server = await asyncio.to_thread(Serving("MINIMAL_PEX", empty_database, **environ).__enter__)
    try:
        file.write_text("[process]\nhang_timeout = 0\n")
        server.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(server.wait_for, "the new configuration is refused.*process.hang_timeout")
        await asyncio.to_thread(server.wait_for, "is serving", 2)
        tenant = f'[[tenants]]\nid = "{TENANT}"\nslug = "new"\nname = "New"\n'
        file.write_text(f'{tenant}[[auth.static_api_key.keys]]\nkey = "{WORKER_KEY}"\ntenant_id = "{TENANT}"\n')
        server.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(server.wait_for, "is serving", 3)
        await _until(lambda: server.get("/api/v1/tenants/new", WORKER_KEY)[0] == 200)
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


async def test_a_configuration_with_which_no_worker_can_start_is_refused(empty_database: str, tmp_path: Path) -> None:
    """HUP with a setting that only a worker's start finds wrong: even workers started later use the old one."""
    file = tmp_path / "config.toml"
    only_keys = '[auth.endpoints]\nhttp.authenticators = ["static_api_key"]\ngrpc.authenticators = ["static_api_key"]\n'
    file.write_text("[process]\nworkers = 1\n" + only_keys)
    server = await asyncio.to_thread(
        Serving("FULL_PEX", empty_database, CONFIG_FILE=str(file), WORKER_TOKEN_SECRET="").__enter__
    )
    try:
        file.write_text('[process]\nworkers = 3\n[auth.endpoints.http]\nauthenticators = ["worker_token"]\n')
        server.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(server.wait_for, "the new configuration is refused.*needs a secret")
        await asyncio.to_thread(server.wait_for, "is serving", 2)
        await _until(lambda: len(server.workers()) == 1)
        os.kill(server.workers()[0], signal.SIGKILL)
        await asyncio.to_thread(server.wait_for, "is serving", 3)
        assert server.get("/_/health")[0] == 200
        file.write_text("[process]\nworkers = 3\n" + only_keys)
        server.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(server.wait_for, "is serving", 6)
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)


async def test_a_killed_worker_is_replaced_without_a_failed_call(empty_database: str) -> None:
    """kill -9 of one worker: its calls are retried on the other, and a new one comes."""
    async with (
        serving("MINIMAL_PEX", empty_database, **SETTINGS) as server,
        Load(server.grpc_port, CALLERS, POLLERS) as load,
    ):
        os.kill(server.workers()[0], signal.SIGKILL)
        await asyncio.to_thread(server.wait_for, "is serving", 3)
        await load.more(50)
        assert load.failures == []


async def test_the_file_is_replaced_while_it_serves_without_a_failed_call(empty_database: str) -> None:
    """USR2 starts a second server from the file on the same ports; TERM to the first hands over to it."""
    async with serving("MINIMAL_PEX", empty_database, **SETTINGS) as server:
        async with Load(server.grpc_port, CALLERS, POLLERS) as load:
            old = set(server.workers())
            server.process.send_signal(signal.SIGUSR2)
            await asyncio.to_thread(server.wait_for, "is serving", 4)
            (successor,) = set(server.workers()) - old
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.process.wait, 15) == 0
            await load.more(50)
            assert load.failures == []
            assert server.get("/_/health")[0] == 200
        os.kill(successor, signal.SIGTERM)
        await _until(lambda: has_ended(successor))


async def test_an_upgrade_runs_what_the_file_holds_now(empty_database: str, tmp_path: Path) -> None:
    """Another edition in the file's place, and the old one's interpreter gone: USR2 serves the new one."""
    file, root = tmp_path / "server.pex", tmp_path / "root"
    shutil.copy(pex("MINIMAL_PEX"), file)
    async with serving(file, empty_database, **SETTINGS, PEX_ROOT=str(root)) as server:
        assert server.get("/_/health")[1]["edition"] == "minimal"
        shutil.copy(pex("FULL_PEX"), tmp_path / "new.pex")
        (tmp_path / "new.pex").replace(file)
        for folder in root.glob("venvs/*/*/*/bin"):
            folder.rename(folder.with_name("gone"))
        old = set(server.workers())
        server.process.send_signal(signal.SIGUSR2)
        await asyncio.to_thread(server.wait_for, "is serving", 4)
        (successor,) = set(server.workers()) - old
        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.process.wait, 15)
        assert server.get("/_/health")[1]["edition"] == "full"
        os.kill(successor, signal.SIGTERM)
        await _until(lambda: has_ended(successor))


async def _until(condition: Any) -> None:
    """Wait for something that only the process table shows."""
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.05)
