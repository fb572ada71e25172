"""Metrics and log lines of a running server: calls, statements, batches, the pool and the process."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import grpc
import pytest

from proto.flovyn.v1 import workflow_pb2
from server.engine.agents.cancellation import ReclaimCall
from server.observability.metrics import FOLDER_VARIABLE, MetricsRegistry
from server.rest_api.resources import scrape
from server.rest_api.resources.scrape import Scrape
from server.storage import depths
from server.storage.depths import Depth, DepthRepository
from tests.support.agents import Agents
from tests.support.calls import complete_task, fail_task, poll, poll_task, start, submit, submit_task
from tests.support.driving import COMPLETED, complete
from tests.support.running import CONFIG, OPERATOR_KEY, TENANT, WORKER_KEY, Client, bearer, running_server

START = "/flovyn.v1.WorkflowDispatch/StartWorkflow"
STATUSES = ("PENDING", "COMPLETED", "FAILED")
WORKFLOWS = "/api/v1/tenants/test/workflow-executions"
TEMPLATE = "/api/v1/tenants/{slug}/workflow-executions/{id}"


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


async def test_the_line_of_a_call_has_the_sizes_of_request_and_answer(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Both protocols show the bytes that they received and sent; a refusal has no size of an answer."""
    caplog.set_level(logging.DEBUG, "server.calls")
    async with running_server(database) as client:
        request = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind="k")
        started = await client.dispatch.StartWorkflow(request, metadata=bearer(WORKER_KEY))
        shown = await client.rest("GET", f"{WORKFLOWS}/{started.workflow_execution_id}", key=WORKER_KEY)
        await client.rest("GET", f"{WORKFLOWS}/nothing", key=WORKER_KEY)
    lines = [record.__dict__ for record in caplog.records if record.name == "server.calls"]
    (call,) = [line for line in lines if line.get("operation") == START]
    assert (call["request_bytes"], call["response_bytes"]) == (request.ByteSize(), started.ByteSize())
    found, refused = [line for line in lines if line.get("operation") == f"GET {TEMPLATE}"]
    assert (found["request_bytes"], found["response_bytes"]) == (0, len(shown.content))
    assert "response_bytes" not in refused


async def test_slow_statements_and_calls_are_named(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """A call and a statement beyond their limits leave warnings with their names and times."""
    async with running_server(database, LOG__SLOW_CALL="0.000001", LOG__SLOW_STATEMENT="0.000001") as client:
        await start(client)
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert any(getattr(each, "statement", None) == "workflows.start" for each in warnings)
    assert any(getattr(each, "operation", None) == START for each in warnings)


async def test_a_call_that_a_missing_table_fails_is_internal(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and logged as the failure of the server that its caller sees, and the log has its id."""
    async with running_server(database) as client:
        async with client.pool.connection() as connection:
            await connection.execute("ALTER TABLE schedule RENAME TO schedule_lost")
        answer = await client.rest("GET", "/api/v1/tenants/test/schedules", key=WORKER_KEY)
        text = await _scrape(client)
    assert answer.status_code == 500
    operation = "GET /api/v1/tenants/{slug}/schedules"
    assert value(text, f'flovyn_calls_total{{protocol="http",operation="{operation}",code="internal"}}') == 1
    lines = [each for each in caplog.records if getattr(each, "operation", None) == operation]
    assert [(each.levelname, each.__dict__["code"]) for each in lines] == [("WARNING", "internal")]


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


async def test_work_is_counted_by_outcome(database: str) -> None:
    """Starts, ends, attempts and retries count once each, and the tenants that the settings name are shown apart."""
    async with running_server(database, METRICS__TENANTS=f'["{TENANT}"]') as client:
        workflow = await start(client, queue="q")
        assert await poll(client, "q")
        await submit(client, workflow, complete(), status=COMPLETED)
        task = await submit_task(client, queue="q", max_retries=1)
        assert await poll_task(client, "q")
        await fail_task(client, task)
        assert await poll_task(client, "q")
        await complete_task(client, task)
        text = await _scrape(client)
    tenant = f'tenant="{TENANT}"'
    assert value(text, f"flovyn_workflows_started_total{{{tenant}}}") == 1
    assert value(text, f'flovyn_workflows_ended_total{{status="COMPLETED",{tenant}}}') == 1
    assert value(text, 'flovyn_workflow_duration_seconds_count{status="COMPLETED"}') == 1
    assert value(text, f"flovyn_tasks_created_total{{{tenant}}}") == 1
    assert value(text, f'flovyn_tasks_ended_total{{status="COMPLETED",{tenant}}}') == 1
    assert value(text, 'flovyn_task_attempt_duration_seconds_count{status="FAILED"}') == 1
    assert value(text, 'flovyn_task_attempt_duration_seconds_count{status="COMPLETED"}') == 1
    assert value(text, "flovyn_task_retries_total") == 1
    assert value(text, "flovyn_workflow_history_bytes_count") == 1
    assert value(text, 'flovyn_schedule_to_start_seconds_count{category="workflow",queue="q"}') == 1
    assert value(text, 'flovyn_schedule_to_start_seconds_count{category="task",queue="q"}') == 2
    assert value(text, 'flovyn_polls_total{category="task",queue="q"}') == 2


async def test_agents_are_counted_as_workflows_are(database: str) -> None:
    """Starts, claims, ends, cancelled tasks, lost activations, and what is pending and running at a scrape."""
    async with running_server(database) as client:
        agents = Agents(client)
        ended, pending, held = [await agents.create() for _ in range(3)]
        assert (await agents.claim()).id == ended
        await agents.schedule(ended, "k")
        await agents.suspend_for_tasks(ended, "k")
        await agents.rest("DELETE", f"/{ended}")
        assert (await agents.claim()).id == pending
        await client.engine.agents.submit(ReclaimCall(TENANT, UUID(pending), 1, "lost"))
        assert (await agents.claim()).id == held
        text = await _scrape(client)
    assert value(text, 'flovyn_agents_started_total{tenant=""}') == 3
    assert value(text, 'flovyn_agents_ended_total{status="CANCELLED",tenant=""}') == 1
    assert value(text, 'flovyn_agent_duration_seconds_count{status="CANCELLED"}') == 1
    assert value(text, "flovyn_agent_activations_sum") == 1
    assert value(text, 'flovyn_tasks_ended_total{status="CANCELLED",tenant=""}') == 1
    assert value(text, 'flovyn_claims_expired_total{category="agent",reason="silence"}') == 1
    assert value(text, 'flovyn_schedule_to_start_seconds_count{category="agent",queue="q"}') == 3
    assert value(text, 'flovyn_queue_depth{category="agent",queue="q",tenant=""}') == 1
    assert value(text, 'flovyn_running{category="agent"}') == 1


async def test_work_that_is_rolled_back_does_not_count(database: str) -> None:
    """A refused start leaves the numbers as they were."""
    async with running_server(database) as client:
        other = "33333333-3333-4333-8333-333333333333"
        with pytest.raises(grpc.aio.AioRpcError):
            await start(client, tenant_id=other)
        await client.rest("GET", "/api/v1/tenants", key=OPERATOR_KEY)
        async with client.pool.connection() as connection:
            assert getattr(connection, "effects", None) == []
        text = await _scrape(client)
    assert value(text, 'flovyn_workflows_started_total{tenant=""}') == 0


async def test_depths_and_ages_of_queues_are_read_once_in_a_while(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pending work is shown by queue with its age; scrapes in between cost the database nothing."""
    async with running_server(database) as client:
        for _ in range(3):
            await start(client, queue="stuck")
        await submit_task(client, queue="tasks")
        first = await _scrape(client)
        await start(client, queue="stuck")
        assert (await _scrape(client)).count('queue="stuck"') == first.count('queue="stuck"')
        again = await _scrape(client)
        monkeypatch.setattr(scrape, "KEEP_S", 0.0)
        later = await _scrape(client)
    series = 'flovyn_queue_depth{category="workflow",queue="stuck",tenant=""}'
    assert (value(first, series), value(again, series), value(later, series)) == (3, 3, 4)
    assert value(first, 'flovyn_queue_depth{category="task",queue="tasks",tenant=""}') == 1
    assert value(later, 'flovyn_queue_oldest_age_seconds{category="workflow",queue="stuck",tenant=""}') > 0
    assert value(first, 'flovyn_running{category="workflow"}') == 0
    assert "flovyn_timers_overdue 0.0" in first


async def test_workflows_are_counted_by_status(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly while they are few; beyond the bound, by what was counted or by the statistics."""
    monkeypatch.setattr(scrape, "KEEP_S", 0.0)
    async with running_server(database) as client:
        workflow = await start(client, queue="q")
        assert await poll(client, "q")
        await submit(client, workflow, complete(), status=COMPLETED)
        for _ in range(3):
            await start(client, queue="q")
        exact = await _scrape(client)
        monkeypatch.setattr(depths, "MOST", 2)
        least = await _scrape(client)
        async with client.pool.connection() as connection:
            await connection.execute("ANALYZE workflow_execution")
        estimated = await _scrape(client)
    shown = [[value(each, f'flovyn_workflows{{status="{name}"}}') for name in STATUSES] for each in (exact, least)]
    assert shown == [[3, 1, 0], [2, 1, 0]]
    assert value(estimated, 'flovyn_workflows{status="PENDING"}') == 3


async def test_migrations_that_the_database_lacks_are_shown(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that lost a migration, as one of an older backup, is noticed by the next scrape."""
    monkeypatch.setattr(scrape, "KEEP_S", 0.0)
    async with running_server(database) as client:
        before = await _scrape(client)
        async with client.pool.connection() as connection:
            await connection.execute(
                "DELETE FROM _plugin_migrations WHERE plugin = 'core' AND version IN"
                " (SELECT version FROM _plugin_migrations WHERE plugin = 'core' ORDER BY version DESC LIMIT 2)"
            )
        after = await _scrape(client)
    series = 'flovyn_migrations_pending{owner="core"}'
    assert f"{series} 0.0" in before
    assert value(after, series) == 2


async def test_one_process_asks_the_database_for_all(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes of a server, and two scrapes at once, need one statement, and show the same numbers."""
    async with running_server(database) as client:
        await start(client, queue="q")
        monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
        asked = 0

        class Counted(DepthRepository):
            async def depths(self) -> Sequence[Depth]:
                nonlocal asked
                asked += 1
                return await super().depths()

        scrapes = [Scrape(MetricsRegistry(), Counted(client.pool), queues=10) for _ in range(2)]
        await asyncio.gather(*(each.text() for each in scrapes))
        texts = [(await each.text()).decode() for each in scrapes]
    assert asked == 1
    assert all(value(text, 'flovyn_queue_depth{category="workflow",queue="q",tenant=""}') == 1 for text in texts)


async def test_a_server_that_drains_answers_scrapes(database: str) -> None:
    """The numbers of the calls that went before are shown, while the gRPC server stops and afterwards."""
    async with running_server(database) as client:
        await start(client)
        draining = client.drain()
        during = await _scrape(client)
        await draining
        after = await _scrape(client)
    series = f'flovyn_calls_total{{protocol="grpc",operation="{START}",code="ok"}}'
    assert (value(during, series), value(after, series)) == (1, 1)


async def test_health_checks_and_wrong_methods_are_operations(database: str) -> None:
    """A path that does not exist stays apart; no path is a label."""
    async with running_server(database) as client:
        await client.rest("GET", "/_/health", key=None)
        await client.rest("POST", "/_/health", key=None)
        await client.rest("DELETE", "/api/v1/tenants")
        await client.rest("GET", "/no/such/path")
        text = await _scrape(client)
    calls = 'flovyn_calls_total{protocol="http",operation="%s",code="%s"}'
    assert value(text, calls % ("GET /_/health", "ok")) == 1
    assert value(text, calls % ("wrong method", "method_not_allowed")) == 2
    assert value(text, calls % ("unrouted", "not_found")) == 1


async def test_queues_beyond_the_limit_are_other(database: str) -> None:
    """The deepest queues keep their names; the sum stays right."""
    async with running_server(database, METRICS__QUEUES="1") as client:
        for queue in ("deep", "deep", "one", "two"):
            await start(client, queue=queue)
        text = await _scrape(client)
    depth = "flovyn_queue_depth"
    assert value(text, f'{depth}{{category="workflow",queue="deep",tenant=""}}') == 2
    assert value(text, f'{depth}{{category="workflow",queue="other",tenant=""}}') == 2


async def test_a_scraper_reads_the_metrics_and_nothing_else(database: str) -> None:
    """The key of a scraper opens one route, by both of the server's authorizers."""
    key = "a-key-of-a-scraper"
    config = {**CONFIG, "auth": {"static_api_key": {"keys": [{"key": key, "role": "SCRAPER"}]}}}
    for authorizer in ("tenant_scope", "roles"):
        async with running_server(database, (), config, AUTH__ENDPOINTS__HTTP__AUTHORIZER=authorizer) as client:
            assert (await client.rest("GET", "/_/metrics", key=key)).status_code == 200
            for path in ("/api/v1/tenants", "/api/v1/tenants/test/workflow-executions", "/api/docs/openapi.json"):
                assert (await client.rest("GET", path, key=key)).status_code in (403, 404)
            assert (
                await client.rest("POST", "/api/v1/tenants", {"slug": "a", "name": "A"}, key=key)
            ).status_code == 403


async def test_every_metric_is_explained(database: str) -> None:
    """The guide has each metric of the server, and the server each metric of the guide."""
    async with running_server(database) as client:
        await start(client)
        names = set(re.findall(r"^# TYPE (\S+)", await _scrape(client), re.MULTILINE))
    assert _explained() - {"flovyn_audit_log_dropped_total"} == names


def _explained() -> set[str]:
    """Return the metrics of the guide's table."""
    table = Path("docs/operations.md").read_text(encoding="utf-8").partition("## Metrics")[2].partition("\n## ")[0]
    return set(re.findall(r"`((?:flovyn|process)_\w+)`", table))


async def test_lines_about_agents_name_them(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also those of calls that stream their requests."""
    caplog.set_level(logging.DEBUG, "server.calls")
    async with running_server(database) as client:
        agents = Agents(client)
        agent = await agents.create()
        await agents.claim()
        await agents.append(agent)
        await agents.schedule(agent, "k")
        await agents.stream(agent, [(1, "{}")])
        await agents.complete(agent)
    lines = [record.__dict__ for record in caplog.records if record.name == "server.calls"]
    named = {line["operation"].rpartition("/")[2] for line in lines if line.get("agent_id") == agent}
    assert named >= {"GetEntries", "AppendEntry", "ScheduleAgentTask", "StreamAgentData", "CompleteAgent"}
