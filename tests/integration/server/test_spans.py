"""Execution spans are taken in good part: counted, and never an error for what a single one says."""

from __future__ import annotations

import grpc

from proto.flovyn.v1 import workflow_pb2 as pb
from tests.support.calls import start, status_of
from tests.support.running import OTHER_KEY, WORKER_KEY, Client, bearer, running_server


async def _report(client: Client, *spans: tuple[str, str], key: str = WORKER_KEY) -> tuple[int, int]:
    request = pb.ReportExecutionSpansRequest(
        spans=[pb.ExecutionSpan(span_type=kind, workflow_id=workflow_id) for kind, workflow_id in spans]
    )
    answer = await client.dispatch.ReportExecutionSpans(request, metadata=bearer(key))
    return answer.accepted_count, answer.rejected_count


async def test_spans_are_counted_and_bad_ones_rejected(database: str) -> None:
    """Known types of the tenant's own workflows are accepted; a standalone task's, others and foreign ones rejected."""
    async with running_server(database) as client:
        workflow_id = await start(client)
        spans = [
            ("workflow.execute", workflow_id),
            ("run.execute", workflow_id),
            ("task.execute", "standalone"),
            ("x", workflow_id),
        ]
        assert await _report(client, *spans) == (2, 2)
        assert await _report(client, ("workflow.execute", workflow_id), key=OTHER_KEY) == (0, 1)
        assert await _report(client) == (0, 0)
        assert client.engine.spans.counted == {"workflow.execute": 1, "run.execute": 1}


async def test_too_many_spans_are_refused(database: str) -> None:
    """A hundred in one call, not one more."""
    async with running_server(database) as client:
        workflow_id = await start(client)
        assert await _report(client, *[("task.retry", workflow_id)] * 100) == (100, 0)
        code, text = await status_of(_report(client, *[("task.retry", workflow_id)] * 1001))
        assert (code, "spans" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
