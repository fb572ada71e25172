"""The calls of flovyn.v1 that carry one workflow through, over real gRPC and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
import pytest_asyncio

from proto.flovyn.v1 import worker_pb2, workflow_pb2
from server.domain.worker import Category
from tests.support.repetitions import times
from tests.support.running import OPERATOR_KEY, OTHER_KEY, OTHER_TENANT, TENANT, Client, bearer, running_server

COMPLETED = workflow_pb2.WORKFLOW_STATUS_COMPLETED


@pytest_asyncio.fixture
async def client(database: str) -> AsyncIterator[Client]:
    """A running server."""
    async with running_server(database) as client:
        yield client


async def _start(client: Client, data: bytes = b'{"n": 1.0}', **fields: Any) -> str:
    request = workflow_pb2.StartWorkflowRequest(
        **{"tenant_id": str(TENANT), "workflow_kind": "k", "input": data, **fields}
    )
    answer = await client.dispatch.StartWorkflow(request, metadata=bearer())
    return str(answer.workflow_execution_id)


async def _poll(client: Client, queue: str = "", **fields: Any) -> workflow_pb2.PollResponse:
    request = workflow_pb2.PollRequest(worker_id="w", tenant_id=str(TENANT), queue=queue, timeout_seconds=30, **fields)
    answer: workflow_pb2.PollResponse = await client.dispatch.PollWorkflow(request, metadata=bearer())
    return answer


async def _submit(
    client: Client, workflow_id: str, *commands: workflow_pb2.WorkflowCommand, status: Any = COMPLETED
) -> None:
    request = workflow_pb2.SubmitWorkflowCommandsRequest(
        workflow_execution_id=workflow_id, commands=commands, status=status
    )
    await client.dispatch.SubmitWorkflowCommands(request, metadata=bearer())


async def _events(client: Client, workflow_id: str) -> list[tuple[int, str, Any]]:
    request = workflow_pb2.GetEventsRequest(workflow_execution_id=workflow_id)
    answer = await client.dispatch.GetEvents(request, metadata=bearer())
    return [(each.sequence_number, each.event_type, json.loads(each.event_data)) for each in answer.events]


def _complete(output: bytes) -> workflow_pb2.WorkflowCommand:
    return workflow_pb2.WorkflowCommand(
        sequence_number=1, complete_workflow=workflow_pb2.CompleteWorkflowCommand(output=output)
    )


async def test_one_workflow_from_start_to_end(client: Client) -> None:
    """Start, poll, submit, history: numbers contiguous, payloads as they were sent."""
    workflow_id = await _start(client, metadata={"team": "a"}, workflow_version="2.0", priority_seconds=3)
    execution = (await _poll(client)).workflow_execution
    assert (execution.id, execution.kind, execution.queue, execution.tenant_id) == (
        workflow_id,
        "k",
        "default",
        str(TENANT),
    )
    assert (execution.input, execution.priority_ms, execution.workflow_version) == (b'{"n": 1.0}', 3000, "2.0")
    assert execution.current_sequence == 1
    assert execution.workflow_task_time_millis >= execution.created_at_ms
    await _submit(client, workflow_id, _complete(b'{"big": 123456789012345678901234567890}'))
    started = {"input": {"n": 1.0}, "workflowKind": "k", "workflowVersion": "2.0", "metadata": {"team": "a"}}
    assert await _events(client, workflow_id) == [
        (1, "WORKFLOW_STARTED", started),
        (2, "WORKFLOW_COMPLETED", {"output": {"big": 123456789012345678901234567890}}),
    ]


async def test_a_failure_keeps_its_words(client: Client) -> None:
    """FailWorkflow ends the workflow with the event that clients wait for."""
    workflow_id = await _start(client)
    await _poll(client)
    fail = workflow_pb2.FailWorkflowCommand(error="boom", stack_trace="line 1", failure_type="ERROR")
    await _submit(
        client,
        workflow_id,
        workflow_pb2.WorkflowCommand(fail_workflow=fail),
        status=workflow_pb2.WORKFLOW_STATUS_FAILED,
    )
    data = {"error": "boom", "stackTrace": "line 1", "failureType": "ERROR"}
    assert (await _events(client, workflow_id))[1] == (2, "WORKFLOW_EXECUTION_FAILED", data)


async def test_client_numbers_are_ignored_and_null_results_keep_their_keys(client: Client) -> None:
    """Sequence numbers 1, 1, 1 from a worker become 2, 3, 4, 5; an unspecified command is nothing."""
    workflow_id = await _start(client)
    await _poll(client)
    record = workflow_pb2.RecordOperationCommand(operation_name="op")
    commands = [
        workflow_pb2.WorkflowCommand(sequence_number=1, record_operation=record),
        workflow_pb2.WorkflowCommand(sequence_number=1),
        workflow_pb2.WorkflowCommand(sequence_number=1, set_state=workflow_pb2.SetStateCommand(key="a", value=b"1")),
        workflow_pb2.WorkflowCommand(sequence_number=1, clear_state=workflow_pb2.ClearStateCommand(key="b")),
        _complete(b""),
        workflow_pb2.WorkflowCommand(sequence_number=1, clear_state=workflow_pb2.ClearStateCommand(key="late")),
    ]
    await _submit(client, workflow_id, *commands)
    assert (await _events(client, workflow_id))[1:] == [
        (2, "OPERATION_COMPLETED", {"operationName": "op", "result": None}),
        (3, "STATE_SET", {"key": "a", "value": 1}),
        (4, "STATE_CLEARED", {"key": "b"}),
        (5, "WORKFLOW_COMPLETED", {"output": None}),
    ]


async def test_a_late_duplicate_submission_changes_nothing(client: Client) -> None:
    """A zombie worker gets OK, and the history stays as it was."""
    workflow_id = await _start(client)
    await _poll(client)
    await _submit(client, workflow_id, _complete(b"1"))
    before = await _events(client, workflow_id)
    await asyncio.gather(*(_submit(client, workflow_id, _complete(b"2")) for _ in range(10)))
    assert await _events(client, workflow_id) == before


PATIENT: dict[str, Any] = {"ENGINE__WORKER_SILENCE": "3600", "ENGINE__ACTIVATION_LEASE": "3600"}
"""Nothing is taken back from a worker that will never report, however long a test takes."""


async def test_two_pollers_never_get_one_workflow(database: str) -> None:
    """Sixty runs, a hundred pollers at once, again and again: every workflow is handed out once."""
    async with running_server(database, **PATIENT) as client:
        for _ in range(times(3, 300)):
            started = await asyncio.gather(*(_start(client) for _ in range(60)))
            answers = await asyncio.gather(*(_poll(client) for _ in range(100)))
            handed = [each.workflow_execution.id for each in answers if each.HasField("workflow_execution")]
            assert sorted(handed) == sorted(started)


async def test_pollers_of_two_servers_never_get_one_workflow(database: str) -> None:
    """Few runs and many pollers at two servers at once, again and again: every workflow is handed out, and once."""
    async with (
        running_server(database, ENGINE__POLL_HOLD_MS="5", **PATIENT) as here,
        running_server(database, **PATIENT) as there,
    ):
        for _ in range(times(10, 1000)):
            started = await asyncio.gather(*(_start(here) for _ in range(5)))
            handed: list[str] = []
            while len(handed) < len(started):
                answers = await asyncio.gather(*(_poll(server) for _ in range(10) for server in (here, there)))
                handed += [each.workflow_execution.id for each in answers if each.HasField("workflow_execution")]
            assert sorted(handed) == sorted(started)


async def test_workflows_are_dispatched_by_effective_time(client: Client) -> None:
    """Oldest first, a higher priority sooner."""
    first, second = await _start(client), await _start(client)
    urgent = await _start(client, priority_seconds=60)
    order = [(await _poll(client)).workflow_execution.id for _ in range(3)]
    assert order == [urgent, first, second]


async def test_a_waiting_poller_is_answered_when_work_appears(database: str) -> None:
    """Direct dispatch: the poll is answered by the start, long before its hold is over."""
    async with running_server(database, ENGINE__POLL_HOLD_MS="60000") as patient:
        poll = asyncio.ensure_future(_poll(patient))
        await asyncio.wait_for(patient.engine.wakeups[Category.WORKFLOW].parked.wait(), 5)
        workflow_id = await _start(patient)
        assert (await asyncio.wait_for(poll, 5)).workflow_execution.id == workflow_id


async def test_queues_kinds_and_tenants_are_kept_apart(client: Client) -> None:
    """A poll sees only its own queue, kinds and tenant."""
    workflow_id = await _start(client, queue="q")
    assert not (await _poll(client)).HasField("workflow_execution")
    assert not (await _poll(client, "q", workflow_capabilities=["other", 'a"b\\c'])).HasField("workflow_execution")
    stranger = workflow_pb2.PollRequest(tenant_id=str(OTHER_TENANT), queue="q")
    assert not (await client.dispatch.PollWorkflow(stranger, metadata=bearer(OTHER_KEY))).HasField("workflow_execution")
    assert (await _poll(client, "q", workflow_capabilities=["k", "x"])).workflow_execution.id == workflow_id


async def test_registering_again_keeps_the_id(client: Client) -> None:
    """Names are reused by restarted workers; what they can run is replaced."""

    async def register(*kinds: str) -> worker_pb2.WorkerRegistrationResponse:
        request = worker_pb2.WorkerRegistrationRequest(
            worker_name="w",
            worker_type="UNIFIED",
            tenant_id=str(TENANT),
            metadata=b'{"a": 1}',
            workflows=[worker_pb2.WorkflowCapability(kind=kind, input_schema=b"{}", tags=["x"]) for kind in kinds],
            tasks=[worker_pb2.TaskCapability(kind="t", timeout_seconds=5)],
        )
        answer: worker_pb2.WorkerRegistrationResponse = await client.lifecycle.RegisterWorker(
            request, metadata=bearer()
        )
        return answer

    first, second = await register("a", "b", "a"), await register("b", "c")
    assert (first.success, UUID(first.worker_id)) == (True, UUID(second.worker_id))
    async with client.pool.connection() as connection:
        rows = await (await connection.execute("SELECT category, kind FROM worker_capability ORDER BY 1, 2")).fetchall()
    assert rows == [("TASK", "t"), ("WORKFLOW", "b"), ("WORKFLOW", "c")]


async def _code(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


BAD_STARTS = [
    ({"tenant_id": "x"}, "tenant_id"),
    ({"tenant_id": ""}, "tenant_id"),
    ({"workflow_kind": ""}, "workflow_kind"),
    ({"workflow_kind": "a\x00"}, "workflow_kind"),
    ({"workflow_kind": "k" * 256}, "workflow_kind"),
    ({"queue": "q" * 101}, "queue"),
    ({"input": b"{"}, "input"),
    ({"input": b"[" * 2000}, "input"),
    ({"metadata": {"_flovyn_x": "1"}}, "_flovyn_"),
    ({"metadata": {"": "1"}}, "metadata"),
    ({"metadata": {str(n): "" for n in range(51)}}, "metadata"),
    ({"metadata": {"a": "\x00"}}, "metadata"),
]


@pytest.mark.parametrize(("fields", "named"), BAD_STARTS)
async def test_malformed_starts_are_refused_by_field(client: Client, fields: dict[str, Any], named: str) -> None:
    """INVALID_ARGUMENT, with the field's name."""
    given = {"tenant_id": str(TENANT), "workflow_kind": "k", **fields}
    call = client.dispatch.StartWorkflow(workflow_pb2.StartWorkflowRequest(**given), metadata=bearer())
    code, text = await _code(call)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert named in text


async def test_one_bad_start_among_many_fails_alone(client: Client) -> None:
    """Calls that are folded into one commit do not share their errors."""
    workflow_id = await _start(client)
    await _poll(client)
    record = workflow_pb2.CreatePromiseCommand(promise_id="p", idempotency_key="key")
    await _submit(
        client,
        workflow_id,
        workflow_pb2.WorkflowCommand(create_promise=record),
        status=workflow_pb2.WORKFLOW_STATUS_RUNNING,
    )
    taken = _code(_start(client, idempotency_key="key"))
    results = await asyncio.gather(*(_start(client) for _ in range(20)), taken)
    assert results[-1][0] is grpc.StatusCode.ALREADY_EXISTS
    assert len(set(results[:-1])) == 20


async def test_credentials_are_required_and_bound_to_their_tenant(client: Client) -> None:
    """No key and a wrong key are UNAUTHENTICATED, another tenant's PERMISSION_DENIED, another's run NOT_FOUND."""
    workflow_id = await _start(client)
    poll = workflow_pb2.PollRequest(tenant_id=str(TENANT))
    events = workflow_pb2.GetEventsRequest(workflow_execution_id=workflow_id)
    call = client.dispatch
    assert (await _code(call.PollWorkflow(poll)))[0] is grpc.StatusCode.UNAUTHENTICATED
    assert (await _code(call.PollWorkflow(poll, metadata=bearer("nonsense"))))[0] is grpc.StatusCode.UNAUTHENTICATED
    assert (await _code(call.PollWorkflow(poll, metadata=bearer(OTHER_KEY))))[0] is grpc.StatusCode.PERMISSION_DENIED
    assert (await _code(call.PollWorkflow(poll, metadata=bearer(OPERATOR_KEY))))[0] is grpc.StatusCode.PERMISSION_DENIED
    assert (await _code(call.GetEvents(events, metadata=bearer(OTHER_KEY))))[0] is grpc.StatusCode.NOT_FOUND


async def test_another_tenants_workflow_cannot_be_submitted_to(client: Client) -> None:
    """The workflow is NOT_FOUND to the other tenant, and its history stays as it was."""
    workflow_id = await _start(client)
    await _poll(client)
    request = workflow_pb2.SubmitWorkflowCommandsRequest(
        workflow_execution_id=workflow_id, commands=[_complete(b"1")], status=COMPLETED
    )
    call = client.dispatch.SubmitWorkflowCommands(request, metadata=bearer(OTHER_KEY))
    assert (await _code(call))[0] is grpc.StatusCode.NOT_FOUND
    assert len(await _events(client, workflow_id)) == 1


async def test_a_suspension_of_an_unclaimed_workflow_does_not_park_it(client: Client) -> None:
    """A late report must not take a waiting workflow out of the queue."""
    workflow_id = await _start(client)
    await _submit(client, workflow_id, status=workflow_pb2.WORKFLOW_STATUS_SUSPENDED)
    assert (await _poll(client)).workflow_execution.id == workflow_id


async def test_an_event_that_a_worker_has_not_seen_sends_the_workflow_round_again(client: Client) -> None:
    """Suspending after an event from outside makes the workflow claimable once more; with nothing new, it waits."""
    workflow_id = await _start(client)
    suspended = workflow_pb2.WORKFLOW_STATUS_SUSPENDED
    await _poll(client)
    async with client.pool.connection() as connection:  # the effect of a signal: an event, and the mark of it
        await connection.execute(
            "WITH moved AS (UPDATE workflow_execution SET last_sequence = 2, waking_sequence = 2 RETURNING tenant_id, id)"
            " INSERT INTO workflow_event (tenant_id, workflow_execution_id, sequence, event_type, event_data)"
            " SELECT tenant_id, id, 2, 'SIGNAL_RECEIVED', '{}' FROM moved"
        )
    await _submit(client, workflow_id, status=suspended)
    again = (await _poll(client)).workflow_execution
    assert (again.id, again.current_sequence) == (workflow_id, 2)
    await _events(client, workflow_id)
    await _submit(client, workflow_id, status=suspended)
    assert not (await _poll(client)).HasField("workflow_execution")


async def test_readers_of_one_history_all_get_it_once(client: Client) -> None:
    """A client and a worker often ask for the same workflow at the same moment, in one batch."""
    workflow_id, other = await _start(client), await _start(client)
    histories = await asyncio.gather(*(_events(client, each) for _ in range(20) for each in (workflow_id, other)))
    assert [len(history) for history in histories] == [1] * 40


def _record(name: str) -> workflow_pb2.WorkflowCommand:
    operation = workflow_pb2.RecordOperationCommand(operation_name=name, result=b"1")
    return workflow_pb2.WorkflowCommand(record_operation=operation)


async def test_two_servers_number_the_events_of_one_workflow_without_a_gap(database: str) -> None:
    """Submissions to one workflow through two servers at once: every one is stored, numbered 1..n."""
    async with running_server(database) as here, running_server(database) as there:
        workflow_id = await _start(here)
        await _poll(here)
        count = times(30, 1000)
        running = workflow_pb2.WORKFLOW_STATUS_RUNNING
        await asyncio.gather(
            *(
                _submit(server, workflow_id, *2 * [_record(f"{name}-{number}")], status=running)
                for name, server in {"here": here, "there": there}.items()
                for number in range(count)
            )
        )
        assert [number for number, _, _ in await _events(here, workflow_id)] == list(range(1, 4 * count + 2))


async def test_workflows_of_cancelled_polls_are_not_lost(database: str) -> None:
    """Pollers that give up at any moment: every workflow reaches one that waits, if need be when its lease is over."""
    async with running_server(database, ENGINE__POLL_HOLD_MS="20", ENGINE__ACTIVATION_LEASE="1.5") as client:
        expected = times(150, 1500)
        got: set[str] = set()
        request = workflow_pb2.PollRequest(worker_id="w", tenant_id=str(TENANT))

        async def impatient(number: int) -> None:
            while len(got) < expected:
                try:
                    answer = await client.dispatch.PollWorkflow(
                        request, metadata=bearer(), timeout=0.002 + number * 0.002
                    )
                except grpc.aio.AioRpcError:
                    continue
                if answer.HasField("workflow_execution"):
                    await _submit(client, answer.workflow_execution.id, _complete(b"1"))
                    got.add(answer.workflow_execution.id)

        async def patient() -> None:
            while len(got) < expected:
                answer = await client.dispatch.PollWorkflow(request, metadata=bearer())
                if answer.HasField("workflow_execution"):
                    await _submit(client, answer.workflow_execution.id, _complete(b"1"))
                    got.add(answer.workflow_execution.id)

        pollers = [asyncio.create_task(impatient(number)) for number in range(8)]
        pollers += [asyncio.create_task(patient()) for _ in range(2)]
        started = [await _start(client) for _ in range(expected)]
        async with asyncio.timeout(60):
            await asyncio.gather(*pollers)
        assert got == set(started)


async def test_bytes_that_are_no_message_are_refused_behind_the_credentials(client: Client) -> None:
    """Strangers get UNAUTHENTICATED for anything; others INVALID_ARGUMENT, without a traceback in the log."""
    call: Any = client.channel.unary_unary("/flovyn.v1.WorkflowDispatch/PollWorkflow")
    assert (await _code(call(b"\xff\xff")))[0] is grpc.StatusCode.UNAUTHENTICATED
    assert (await _code(call(b"\xff\xff", metadata=bearer())))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_unknown_workflows_and_commands_have_their_status(client: Client) -> None:
    """NOT_FOUND for a workflow that is not there, INVALID_ARGUMENT for a command of a type without its data."""
    assert (await _code(_submit(client, str(uuid4()), _complete(b"1"))))[0] is grpc.StatusCode.NOT_FOUND
    assert (await _code(_submit(client, "x", _complete(b"1"))))[0] is grpc.StatusCode.INVALID_ARGUMENT
    workflow_id = await _start(client)
    empty = workflow_pb2.WorkflowCommand(command_type=workflow_pb2.COMMAND_TYPE_START_TIMER)
    code, text = await _code(_submit(client, workflow_id, _complete(b"1"), empty))
    assert (code, "command_data" in text) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert len(await _events(client, workflow_id)) == 1
