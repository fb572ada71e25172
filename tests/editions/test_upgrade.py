"""An older version and this one, on one database: side by side, one after the other, and back again.

The older version is built from a commit that ``.ci/run`` names, and comes in PREVIOUS_PEX.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from tests.support.load import Load
from tests.support.orders import Orders, check_histories
from tests.support.pex import FOR_TENANT, Serving, pex, serving
from tests.support.styles import FFI, RUST

SETTINGS = {**FOR_TENANT, "PROCESS__WORKERS": "2", "PROCESS__DRAIN_TIMEOUT": "8", "ENGINE__POLL_HOLD_MS": "1000"}
ORDERS = 20
CALLERS, POLLERS = 8, 20


async def _carry_out(one: Serving, other: Serving, database_url: str) -> None:
    """Start orders at each of two servers while their workers work for the other one."""
    crossed = [Orders(one.grpc_port, FFI, other.grpc_port), Orders(other.grpc_port, RUST, one.grpc_port)]
    async with AsyncExitStack() as stack:
        for orders in crossed:
            await stack.enter_async_context(orders.serving())
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for orders in crossed:
                group.create_task(orders.settle(ORDERS))
                for number in range(ORDERS):
                    group.create_task(orders.start(number))
        for orders in crossed:
            await orders.check()
    await asyncio.to_thread(check_histories, database_url, 2 * len(crossed) * ORDERS)


async def test_two_versions_work_on_one_database(empty_database: str) -> None:
    """Workers of one version carry out workflows of the other; the older one serves while the newer one migrates."""
    async with serving("PREVIOUS_PEX", empty_database, **SETTINGS) as old:
        async with (
            Load(old.grpc_port, 0, POLLERS) as load,
            serving("FULL_PEX", empty_database, **SETTINGS) as new,
        ):
            assert any("applied migration" in str(line.get("event")) for line in new.log)
            await _carry_out(old, new, empty_database)
        assert load.failures == []


async def test_the_older_version_can_come_back(empty_database: str) -> None:
    """After an upgrade that is taken back, it says that the database is ahead, and works."""
    async with serving("FULL_PEX", empty_database, **SETTINGS):
        pass
    async with serving("PREVIOUS_PEX", empty_database, **SETTINGS) as old:
        old.wait_for("the database is ahead of this edition")
        await _carry_out(old, old, empty_database)


async def test_the_newer_version_takes_over_without_a_failed_call(empty_database: str, tmp_path: Path) -> None:
    """The file is replaced under load, USR2 starts it on the same ports, TERM ends the older one."""
    file = tmp_path / "server.pex"
    shutil.copy(pex("PREVIOUS_PEX"), file)
    async with serving(file, empty_database, **SETTINGS) as server:
        shutil.copy(pex("FULL_PEX"), tmp_path / "new.pex")
        (tmp_path / "new.pex").replace(file)
        before = set(server.workers())
        async with Load(server.grpc_port, CALLERS, POLLERS) as load:
            server.process.send_signal(signal.SIGUSR2)
            await asyncio.to_thread(server.wait_for, "is serving", 4)
            (successor,) = set(server.workers()) - before
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.process.wait, 15) == 0
            await load.more(50)
        os.kill(successor, signal.SIGTERM)
        assert load.failures == []
        assert sum("applied migration core 0001" in str(line.get("event")) for line in server.log) == 1
        server.wait_for("applied migration core 0013")
