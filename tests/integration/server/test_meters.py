"""Metrics and log lines of a running server: calls, statements, batches, the pool and the process."""

from __future__ import annotations

import logging
import re

import grpc
import pytest

from proto.flovyn.v1 import workflow_pb2
from tests.support.calls import poll, start
from tests.support.running import OPERATOR_KEY, TENANT, WORKER_KEY, Client, bearer, running_server

START = "/flovyn.v1.WorkflowDispatch/StartWorkflow"


async def _scrape(client: Client) -> str:
    answer = await client.rest("GET", "/_/metrics", key=OPERATOR_KEY)
    assert answer.status_code == 200
    return str(answer.text)


def value(text: str, series: str) -> float:
    """Return the value of a series; 0 for one that is not shown."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_calls_are_counted_by_operation_and_code(database: str) -> None:
    """A call has the template of its route or its method as a label, never a path or an id."""
    async with running_server(database) as client:
        await start(client)
        with pytest.raises(grpc.aio.AioRpcError):
            await client.dispatch.StartWorkflow(workflow_pb2.StartWorkflowRequest(), metadata=bearer("wrong-key"))
        await client.rest("GET", "/api/v1/tenants/test/workflow-executions/nothing", key=WORKER_KEY)
        await client.rest("GET", "/nowhere/at/all", key=WORKER_KEY)
        text = await _scrape(client)
    calls = "flovyn_calls_total"
    assert value(text, f'{calls}{{protocol="grpc",operation="{START}",code="ok"}}') == 1
    assert value(text, f'{calls}{{protocol="grpc",operation="{START}",code="unauthenticated"}}') == 1
    assert value(text, f'{calls}{{protocol="http",operation="unrouted",code="not_found"}}') == 1
    assert f'flovyn_call_duration_seconds_count{{protocol="grpc",operation="{START}"}} 2.0' in text
    assert "nothing" not in text
    assert "nowhere" not in text
    assert str(TENANT) not in text


async def test_the_time_for_which_a_poll_is_parked_is_no_duration(database: str) -> None:
    """A poll without work is held; its duration is the time that the server worked for it."""
    async with running_server(database, ENGINE__POLL_HOLD_MS="600") as client:
        await poll(client, "empty")
        text = await _scrape(client)
    labels = 'protocol="grpc",operation="/flovyn.v1.WorkflowDispatch/PollWorkflow"'
    assert value(text, f"flovyn_call_duration_seconds_count{{{labels}}}") == 1
    assert 0 < value(text, f"flovyn_call_duration_seconds_sum{{{labels}}}") < 0.6


async def test_statements_batches_pool_and_process_are_measured(database: str) -> None:
    """Statements have the names of their queries, and batches those of their kinds."""
    async with running_server(database) as client:
        await start(client)
        client.pool.sample()
        text = await _scrape(client)
    assert value(text, 'flovyn_statement_duration_seconds_count{statement="workflows.start"}') == 1
    assert value(text, 'flovyn_batch_size_count{batch="workflow_starts"}') == 1
    assert sum(value(text, f'flovyn_pool_connections{{state="{each}"}}') for each in ("idle", "in_use")) >= 2
    assert value(text, "process_resident_memory_bytes") > 10_000_000
    assert value(text, "flovyn_worker_process_starts_total") >= 1
    assert 'flovyn_build_info{edition="' in text


async def test_metrics_that_are_off_record_nothing(database: str) -> None:
    """With ``enabled`` off, the answer is empty."""
    async with running_server(database, METRICS__ENABLED="false") as client:
        await start(client)
        text = await _scrape(client)
    assert "flovyn_" not in text


async def test_a_call_leaves_one_line_at_the_level_of_its_outcome(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A success is for ``debug``, a refusal for ``info``; both have the facts of the call."""
    caplog.set_level(logging.DEBUG, "server.calls")
    async with running_server(database) as client:
        await start(client)
        await client.rest("GET", "/api/v1/tenants/test/workflow-executions/nothing", key=WORKER_KEY)
        await client.rest("GET", "/nowhere", key=WORKER_KEY)
    lines = [record.__dict__ for record in caplog.records if record.name == "server.calls"]
    (started,) = [line for line in lines if line.get("operation") == START]
    assert (started["levelname"], started["code"], started["principal"]) == ("DEBUG", "ok", "worker:test")
    assert started["tenant_id"] == str(TENANT)
    assert started["request_bytes"] > 0
    assert started["duration_ms"] > 0
    assert [line["code"] for line in lines if line["levelname"] == "INFO"].count("not_found") >= 1
    assert any("no endpoint" in line["message"] for line in lines)


async def test_slow_statements_and_calls_are_named(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """A call and a statement beyond their limits leave warnings with their names and times."""
    async with running_server(database, LOG__SLOW_CALL="0.000001", LOG__SLOW_STATEMENT="0.000001") as client:
        await start(client)
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert any(getattr(each, "statement", None) == "workflows.start" for each in warnings)
    assert any(getattr(each, "operation", None) == START for each in warnings)


async def test_refusals_cannot_fill_the_log(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """Many refusals of one operation leave a few lines a second."""
    caplog.set_level(logging.INFO, "server.calls")
    async with running_server(database) as client:
        for _ in range(60):
            await client.rest("GET", "/api/v1/tenants/test/workflow-executions/nothing", key="a-wrong-key-of-a-caller")
        text = await _scrape(client)
    lines = [record for record in caplog.records if record.name == "server.calls"]
    assert 1 <= len(lines) < 40
    assert sum(float(each) for each in re.findall(r'code="unauthenticated"\} (\S+)', text)) >= 50
