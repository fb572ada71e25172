"""A receiver of OTLP gets the traces of a server."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections import Counter
from typing import Any

import pytest

from plugins.otel.tests.receiver import Received, exporting_server, facts, receiver
from proto.flovyn.v1 import workflow_pb2
from server.grpc_api.demo import QUEUE, DemoWorker
from tests.support.agents import BASE, Agents
from tests.support.calls import poll, start
from tests.support.running import TENANT, WORKER_KEY, Client, bearer

CALLER_TRACE, CALLER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = [("traceparent", f"00-{CALLER_TRACE}-{CALLER_SPAN}-01"), ("baggage", "customer=42")]
UNSAMPLED = [("traceparent", f"00-{CALLER_TRACE}-{CALLER_SPAN}-00")]
AUTHORIZED = ("authorization", f"Bearer {WORKER_KEY}")
STARTS = "/api/v1/tenants/test/workflow-executions"


async def _run_order(client: Client, headers: list[tuple[str, str]]) -> str:
    """Start the order of the demo over REST and serve it to its end; return its id."""
    worker = DemoWorker(client.channel, WORKER_KEY, str(TENANT))
    body = {"kind": "order", "queue": QUEUE, "input": {"item": "book"}}
    answer = await client.rest("POST", STARTS, body, headers=[AUTHORIZED, *headers])
    assert answer.status_code == 201, answer.text
    workflow_id = str(answer.json["workflowExecutionId"])
    serving = asyncio.create_task(worker.serve())
    done: set[str] = set()
    async with asyncio.timeout(20):
        while "WORKFLOW_COMPLETED" not in done:
            history = await worker.history(workflow_id)
            done = {event for event, _ in history}
            for event, data in history:
                if event == "PROMISE_CREATED" and "PROMISE_RESOLVED" not in done:
                    path = f"/api/v1/tenants/test/promises/id:{data['promiseId']}/resolve"
                    await client.rest("POST", path, {"value": 1}, headers=[AUTHORIZED])
                    signal = {"signalName": "address", "signalValue": "Main Street 1"}
                    await client.rest("POST", f"{STARTS}/{workflow_id}/signal", signal, headers=[AUTHORIZED])
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return workflow_id


async def test_a_trace_shows_the_whole_order(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the caller's span to the last task: one trace, in which each span hangs below another one."""
    async with receiver() as (received, endpoint):
        async with exporting_server(database, monkeypatch, endpoint) as client:
            workflow_id = await _run_order(client, SAMPLED)
        in_trace = [span for span in received.spans if span.trace_id.hex() == CALLER_TRACE]
        names = Counter(span.name for span in in_trace)
        ids = {span.span_id.hex() for span in in_trace}
        expected = {
            "POST /api/v1/tenants/{slug}/workflow-executions": 1,
            "batch workflow_starts": 1,
            "workflow order": 1,
            "workflow invoice": 1,
            "task reserve-stock": 1,
            "task get-price": 1,
            "task charge-card": 1,
            "attempt charge-card": 2,
            "attempt reserve-stock": 1,
            "attempt get-price": 1,
            "timer": 1,
            "promise": 1,
            "signal": 1,
        }
        assert {name: names[name] for name in expected} == expected
        assert len(ids) == len(in_trace)  # none is exported twice
        assert {span.parent_span_id.hex() for span in in_trace} <= ids | {CALLER_SPAN}
        (workflow,) = received.named("workflow order")
        assert facts(workflow)["flovyn.workflow_execution_id"] == workflow_id
        assert facts(workflow)["flovyn.baggage"] == "customer=42"
        assert received.resource["service.name"] == "flovyn-server"


def _spans_below(received: Received, name: str) -> set[str]:
    (above,) = received.named(name)
    return {span.name for span in received.spans if span.parent_span_id == above.span_id}


async def test_a_call_shows_its_batch_and_the_statements(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement of a batch is below the batch, which is below the call."""
    async with receiver() as (received, endpoint):
        async with exporting_server(database, monkeypatch, endpoint) as client:
            await start(client)
        assert "batch workflow_starts" in _spans_below(received, "/flovyn.v1.WorkflowDispatch/StartWorkflow")
        assert "workflows.start" in _spans_below(received, "batch workflow_starts")


async def test_a_poll_hands_out_the_place_in_the_trace(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call of the worker is linked to the workflow that it gets."""
    async with receiver() as (received, endpoint):
        async with exporting_server(database, monkeypatch, endpoint) as client:
            await client.rest("POST", STARTS, {"kind": "k"}, headers=[AUTHORIZED, *SAMPLED])
            assert await poll(client) is not None
        polls = received.named("/flovyn.v1.WorkflowDispatch/PollWorkflow")
        assert CALLER_TRACE in {link.trace_id.hex() for span in polls for link in span.links}


async def test_a_report_that_is_sent_again_makes_no_other_span(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A span to which its worker gives no valid id has the same id each time."""
    async with receiver() as (received, endpoint):
        async with exporting_server(database, monkeypatch, endpoint) as client:
            workflow_id = await start(client)
            spans = [
                workflow_pb2.ExecutionSpan(
                    span_type="workflow.execute", workflow_id=workflow_id, span_id="mine", start_time_unix_ns=at
                )
                for at in (1, 2)
            ]
            request = workflow_pb2.ReportExecutionSpansRequest(spans=spans)
            for _ in range(2):
                await client.dispatch.ReportExecutionSpans(request, metadata=bearer(WORKER_KEY))
        reported = [span.span_id for span in received.named("workflow.execute")]
        assert (len(reported), len(set(reported))) == (4, 2)


async def _create(agents: Agents, kind: str) -> str:
    """Start an agent under the caller's span; return its id."""
    body = {"kind": kind, "queue": "q"}
    answer = await agents.client.rest("POST", BASE, body, headers=[AUTHORIZED, *SAMPLED])
    return str(answer.json["id"])


async def test_a_trace_shows_an_agent_with_its_task_and_its_child(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent is below the caller's span, its task and its child are below it; calls of its worker link to it."""
    async with receiver() as (received, endpoint):
        async with exporting_server(database, monkeypatch, endpoint) as client:
            agents = Agents(client)
            agent = await _create(agents, "assistant")
            await agents.claim()
            await agents.schedule(agent, kind="look-up")
            await agents.finish_task((await agents.task()).task_execution_id)
            child = await agents.spawn(agent, kind="helper")
            await agents.claim()
            await agents.complete(child)
            await agents.complete(agent)
        assert {"task look-up", "agent helper"} <= _spans_below(received, "agent assistant")
        in_trace = {span.name for span in received.spans if span.trace_id.hex() == CALLER_TRACE}
        assert {"agent assistant", "agent helper", "task look-up", "attempt look-up"} <= in_trace
        (span,) = received.named("agent assistant")
        assert facts(span)["flovyn.agent_execution_id"] == agent
        for call in ("PollAgent", "CompleteAgent"):
            calls = received.named(f"/flovyn.v1.AgentDispatch/{call}")
            assert span.span_id in {link.span_id for each in calls for link in each.links}


async def test_tasks_of_a_cancelled_agent_have_their_spans(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that is cancelled ends its open tasks, and a trace shows both."""
    async with receiver() as (received, endpoint):
        async with exporting_server(database, monkeypatch, endpoint) as client:
            agents = Agents(client)
            agent = await _create(agents, "assistant")
            await agents.claim()
            await agents.schedule(agent, kind="look-up")
            await agents.suspend(agent, wait_for_signal="go")
            await agents.rest("POST", f"/{agent}/cancel", {})
        assert "task look-up" in _spans_below(received, "agent assistant")
        (task,) = received.named("task look-up")
        assert facts(task)["flovyn.status"] == "CANCELLED"


async def test_an_unsampled_trace_is_not_exported(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision of the caller holds for all spans of the order."""
    async with receiver() as (received, endpoint):
        async with exporting_server(database, monkeypatch, endpoint) as client:
            await _run_order(client, UNSAMPLED)
        found = {span.name for span in received.spans if span.trace_id.hex() == CALLER_TRACE}
        assert found == {"attempt charge-card"}  # it failed: errors are exported always


async def test_a_ratio_of_zero_exports_failures_alone(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a caller's decision, the ratio decides; failed attempts are exported all the same."""
    ratio = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    async with receiver() as (received, endpoint):
        async with exporting_server(database, monkeypatch, endpoint, **ratio) as client:
            await _run_order(client, [])
        assert {span.name for span in received.spans} == {"attempt charge-card"}


async def test_a_collector_that_does_not_answer_delays_no_call(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls go on, the queue is bounded, and the server ends within its drain time."""
    small = {"OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16"}
    async with receiver() as (received, endpoint):
        received.answers.clear()
        async with asyncio.timeout(60):
            async with exporting_server(database, monkeypatch, endpoint, **small) as client:
                for _ in range(100):
                    await start(client)
                exporting: Any = client.registry.plugins()[0]
                waiting = exporting._exporting.tracer._processor._batch_processor._queue
                assert len(waiting) <= 64
        assert len(received.spans) <= 16 + 64


async def test_a_collector_that_is_away_delays_no_call(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens at the endpoint: calls are answered, and the server ends."""
    async with asyncio.timeout(60), exporting_server(database, monkeypatch, "http://127.0.0.1:9") as client:
        for _ in range(20):
            await start(client)


async def test_log_lines_name_the_trace(
    database: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The line of a call has the trace id of its caller."""
    from server.config.observability import Log
    from server.observability.logging import configure

    async with receiver() as (_, endpoint), exporting_server(database, monkeypatch, endpoint) as client:
        configure(Log(level="debug", format="json"))
        await client.rest("POST", STARTS, {"kind": "k"}, headers=[AUTHORIZED, *SAMPLED])
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    calls = [line for line in lines if line.get("event") == "call"]
    assert CALLER_TRACE in {line.get("trace_id") for line in calls}


async def test_without_an_endpoint_nothing_is_imported(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin without a configuration makes no exporter."""
    monkeypatch.delitem(sys.modules, "plugins.otel.exporting", raising=False)
    async with exporting_server(database, monkeypatch, "") as client:
        await start(client)
        assert "plugins.otel.exporting" not in sys.modules


async def test_metrics_and_lines_are_exported_where_configured(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts of calls arrive as sums, the durations as histograms, and a line in the trace of its call."""
    wanted = {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"}
    async with receiver() as (received, endpoint):
        async with exporting_server(database, monkeypatch, endpoint, **wanted) as client:
            await client.rest("POST", STARTS, {"kind": "k"}, headers=[AUTHORIZED, *SAMPLED])
            await client.rest("POST", STARTS, {"kind": ""}, headers=[AUTHORIZED, *SAMPLED])
            monkeypatch.setattr(logging.getLogger(), "level", logging.INFO)
            logging.getLogger("plugins.test").warning("a line", extra={"fact": 7})
        metrics = {metric.name: metric for metric in received.metrics}
        assert sum(point.as_double for point in metrics["flovyn_workflows_started_total"].sum.data_points) == 1
        histogram = metrics["flovyn_call_duration_seconds"].histogram.data_points[0]
        assert sum(histogram.bucket_counts) == histogram.count > 0
        (line,) = [each for each in received.logs if each.body.string_value == "a line"]
        assert ("fact", 7) in {(each.key, each.value.int_value) for each in line.attributes}
