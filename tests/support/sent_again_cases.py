"""The table of all calls that change something, each with what it needs and with what happens before it is sent late."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from plugins.audit_log import audit_pb2
from plugins.hello_world import greeting_pb2
from plugins.worker_token import token_pb2
from proto.flovyn.v1 import task_pb2, worker_pb2, workflow_pb2
from tests.support import calls, driving
from tests.support.agent_cases import AGENT_CASES
from tests.support.agent_cases import DISPATCH as AGENTS
from tests.support.running import OPERATOR_KEY, TENANT, WORKER_KEY, bearer
from tests.support.sent_again import CALLER_KEY, Case, Sent, World

DISPATCH, TASKS, WORKERS = (f"/flovyn.v1.{name}" for name in ("WorkflowDispatch", "TaskExecution", "WorkerLifecycle"))
TOKEN_RPC = "/flovyn.plugins.worker_token.v1.TokenService"
AUDIT_RPC = "/flovyn.plugins.audit_log.v1.AuditService"
GREETING_RPC = "/flovyn.plugins.hello_world.v1.GreetingService"
OF_TENANT = "/api/v1/tenants/{slug}"
TENANTS, OWN = "/api/v1/tenants", "/api/v1/tenants/test"
TOKENS, GREETINGS = "/api/v1/p/worker-token/tokens", "/api/v1/p/hello-world/greetings"
RETENTION = "/api/v1/p/audit-log/retention"

POLLS = {f"{DISPATCH}/PollWorkflow", f"{DISPATCH}/SubscribeToNotifications", f"{TASKS}/PollTask", f"{AGENTS}/PollAgent"}
"""Calls that ask for work: each time for other work, with which lost answers come back when a lease ends."""

Prepare = Callable[[World], Awaitable[Sent]]


async def _start(world: World) -> Sent:
    queue = world.name()
    request = workflow_pb2.StartWorkflowRequest(
        tenant_id=str(TENANT), workflow_kind="k", queue=queue, metadata=dict.fromkeys("cba", "v")
    )
    return Sent(request, partial(calls.poll, world.client, queue))


async def _start_child(world: World) -> Sent:
    parent = await world.workflow(claimed=True)
    request = workflow_pb2.StartChildWorkflowRequest(
        tenant_id=str(TENANT), parent_workflow_execution_id=parent, child_execution_name="c", workflow_kind="k"
    )
    return Sent(request, partial(world.end, parent))


async def _signal(world: World) -> Sent:
    workflow_id = await world.workflow()
    return Sent(driving.send_signal(workflow_id), partial(world.end, workflow_id))


async def _signal_with_start(world: World) -> Sent:
    request = driving.signal_with_start(world.name(), queue=world.name())
    return Sent(request, partial(calls.poll, world.client, request.queue))


async def _resolve(world: World) -> Sent:
    workflow_id, promise = await world.promise()
    request = workflow_pb2.ResolvePromiseRequest(promise_id=promise, value=b"1")
    return Sent(request, partial(world.end, workflow_id))


async def _reject(world: World) -> Sent:
    workflow_id, promise = await world.promise()
    return Sent(workflow_pb2.RejectPromiseRequest(promise_id=promise, error="no"), partial(world.end, workflow_id))


async def _submit(world: World) -> Sent:
    workflow_id = await world.workflow(claimed=True)
    commands = [driving.operation(), driving.schedule_task(str(uuid4())), driving.complete()]
    return Sent(
        workflow_pb2.SubmitWorkflowCommandsRequest(
            workflow_execution_id=workflow_id, commands=commands, status=driving.COMPLETED
        )
    )


async def _submit_suspended(world: World) -> Sent:
    """Submit commands of which none has an identity, while the workflow goes on; another worker claims it later."""
    workflow_id = await world.workflow(claimed=True)
    commands = [driving.operation(), driving.create_promise("p"), driving.start_timer("t", 3_600_000)]
    request = workflow_pb2.SubmitWorkflowCommandsRequest(
        workflow_execution_id=workflow_id, commands=commands, status=driving.SUSPENDED
    )

    async def later() -> None:
        await world.client.dispatch.SignalWorkflow(driving.send_signal(workflow_id), metadata=bearer())
        await world.claim(workflow_id)

    return Sent(request, later)


async def _fail_attempt(world: World) -> Sent:
    """Fail the first of several attempts; a worker begins the next one later."""
    task_id = await world.task(max_retries=3)
    later = partial(world.claim_task, task_id)
    return Sent(task_pb2.FailTaskRequest(task_execution_id=task_id, error="boom"), later)


async def _spans(world: World) -> Sent:
    span = workflow_pb2.ExecutionSpan(span_type="task.execute", workflow_id=await world.workflow())
    return Sent(workflow_pb2.ReportExecutionSpansRequest(spans=[span]))


async def _submit_task(world: World) -> Sent:
    queue = world.name()
    request = task_pb2.SubmitTaskRequest(tenant_id=str(TENANT), kind="k", queue=queue)
    return Sent(request, partial(calls.poll_task, world.client, queue))


async def _of_task(world: World, message: Any, fields: dict[str, Any], max_retries: int = 0) -> Sent:
    """Call about a running task, which completes before the call is sent late."""
    task_id = await world.task(max_retries=max_retries)

    async def later() -> None:
        state = (await world.rows("SELECT status FROM task_execution WHERE id = %(id)s", task_id))[0][0]
        if state == "RUNNING":
            await calls.complete_task(world.client, task_id)

    return Sent(message(task_execution_id=task_id, **fields), later)


async def _of_state(world: World, message: Any, fields: dict[str, Any]) -> Sent:
    """Call about a task's state, which becomes another before the call is sent late."""
    task_id = await world.stateful_task(a=1, b=2)
    later = partial(world.set_state, task_id, "a", "newer")
    return Sent(message(task_execution_id=task_id, **fields), later)


async def _progress(world: World) -> Sent:
    task_id = await world.task()

    async def later() -> None:
        more = task_pb2.ReportProgressRequest(task_execution_id=task_id, progress=0.75)
        await world.client.tasks.ReportProgress(more, metadata=bearer())

    return Sent(task_pb2.ReportProgressRequest(task_execution_id=task_id, progress=0.5, details="half"), later)


async def _register(world: World) -> Sent:
    name = world.name()

    def request(*kinds: str) -> worker_pb2.WorkerRegistrationRequest:
        capabilities = [worker_pb2.TaskCapability(kind=kind) for kind in kinds]
        return worker_pb2.WorkerRegistrationRequest(
            tenant_id=str(TENANT), worker_name=name, worker_type="UNIFIED", tasks=capabilities
        )

    async def later() -> None:
        await world.client.lifecycle.RegisterWorker(request("c"), metadata=bearer())

    return Sent(request("a", "b"), later)


async def _worker_heartbeat(world: World) -> Sent:
    name = world.name()
    request = worker_pb2.WorkerRegistrationRequest(tenant_id=str(TENANT), worker_name=name, worker_type="TASK")
    await world.client.lifecycle.RegisterWorker(request, metadata=bearer())
    return Sent(worker_pb2.WorkerHeartbeatRequest(worker_id=name))


async def _create_token(world: World) -> Sent:
    return Sent(token_pb2.CreateTokenRequest(display_name=world.name()))


async def _token(world: World) -> str:
    return str((await world.made(TOKENS, {"displayName": world.name()}))["id"])


async def _rotate_token(world: World) -> Sent:
    token = await _token(world)
    later = partial(world.client.rest, "DELETE", f"{TOKENS}/{token}", key=CALLER_KEY)
    return Sent(token_pb2.RotateTokenRequest(id=token, overlap_seconds=60), later)


async def _revoke_token(world: World) -> Sent:
    return Sent(token_pb2.RevokeTokenRequest(id=await _token(world)))


async def _set_retention(world: World) -> Sent:
    days = 100 + int(world.name()[1:])

    async def later() -> None:
        await world.client.rest("PUT", RETENTION, {"keepDays": 7}, CALLER_KEY)

    return Sent(audit_pb2.SetRetentionRequest(keep_days=days), later)


async def _greet(world: World) -> Sent:
    return Sent(greeting_pb2.GreetRequest(name=world.name()))


async def _rest_start(world: World) -> Sent:
    queue = world.name()
    body = {"kind": "k", "queue": queue, "input": {"n": 1}}
    return Sent(body, partial(calls.poll, world.client, queue), f"{OWN}/workflow-executions")


async def _rest_of_workflow(world: World, verb: str, body: object) -> Sent:
    workflow_id = await world.workflow()
    return Sent(body, partial(world.end, workflow_id), f"{OWN}/workflow-executions/{workflow_id}/{verb}")


async def _rest_end(world: World, verb: str) -> Sent:
    child = str(uuid4())
    parent = await world.workflow(driving.schedule_child(child))
    return Sent({"reason": "enough"}, path=f"{OWN}/workflow-executions/{parent}/{verb}")


async def _rest_delete(world: World) -> Sent:
    return Sent(None, path=f"{OWN}/workflow-executions/{await world.failed_workflow()}")


async def _rest_bulk(world: World, action: str, fields: Mapping[str, str]) -> Sent:
    """Make two workflows of a queue, and change one of them."""
    queue = world.name()
    for _ in range(2):
        await calls.start(world.client, queue=queue)
        if action in {"retry", "delete"}:
            await _fail_next(world, queue)
    body = {"filter": {"queue": queue}, "limit": 1, **fields}
    return Sent(body, path=f"{OWN}/workflow-executions/bulk/{action}")


async def _fail_next(world: World, queue: str) -> None:
    execution = await calls.poll(world.client, queue)
    assert execution is not None
    await calls.submit(world.client, execution.id, driving.fail(), status=driving.FAILED)


async def _rest_retry(world: World) -> Sent:
    workflow_id = await world.failed_workflow()
    path = f"{OWN}/workflow-executions/{workflow_id}/retry"
    return Sent({"note": "again"}, partial(world.end, workflow_id), path)


async def _rest_signal_with_start(world: World) -> Sent:
    queue = world.name()
    body = {"workflow_id": world.name(), "workflow_kind": "k", "queue": queue, "signal_name": "s"}
    later = partial(calls.poll, world.client, queue)
    return Sent(body, later, f"{OWN}/workflow-executions/signal-with-start")


async def _rest_settle(world: World, verb: str, body: object) -> Sent:
    workflow_id, promise = await world.promise()
    return Sent(body, partial(world.end, workflow_id), f"{OWN}/promises/{promise}/{verb}")


def _schedule(name: str, **fields: Any) -> dict[str, Any]:
    timing = {"type": "recurring", "cron": "0 5 1 1 *", "timezone": "Europe/Paris"}
    target = {"type": "workflow", "workflowKind": "k", "queue": f"of-{name}", "metadata": {"a": "b"}}
    return {"name": name, "scheduleType": timing, "target": target, **fields}


async def _rest_create_schedule(world: World) -> Sent:
    return Sent(_schedule(world.name()), path=f"{OWN}/schedules")


async def _rest_of_schedule(world: World, rest: str = "", body: object = None, **fields: Any) -> Sent:
    """Call about a schedule, which another caller replaces before the call is sent late."""
    name = world.name()
    path = f"{OWN}/schedules/{(await world.made(f'{OWN}/schedules', _schedule(name, **fields)))['id']}"

    async def later() -> None:
        await world.client.rest("PUT", path, _schedule(name, description="newer", **fields), CALLER_KEY)

    return Sent(body, later, path + rest)


async def _rest_create_task(world: World) -> Sent:
    queue = world.name()
    later = partial(calls.poll_task, world.client, queue)
    return Sent({"kind": "k", "queue": queue, "input": {"n": 1.5}}, later, f"{OWN}/task-executions")


async def _rest_delete_task(world: World) -> Sent:
    return Sent(None, path=f"{OWN}/task-executions/{await world.task(running=False)}")


async def _rest_create_tenant(world: World) -> Sent:
    return Sent({"name": "New", "slug": world.name(), "region": "eu"}, path=TENANTS)


async def _rest_of_sessions(_world: World, path: str) -> Sent:
    return Sent(None, path=path)


async def _rest_create_token(world: World) -> Sent:
    return Sent({"displayName": world.name()}, path=TOKENS)


async def _rest_rotate_token(world: World) -> Sent:
    return Sent({"overlapSeconds": 60}, path=f"{TOKENS}/{await _token(world)}/rotate")


async def _rest_revoke_token(world: World) -> Sent:
    return Sent(None, path=f"{TOKENS}/{await _token(world)}")


async def _rest_set_retention(world: World) -> Sent:
    sent = await _set_retention(world)
    return Sent({"keepDays": sent.content.keep_days}, sent.later, RETENTION)


async def _rest_greet(world: World) -> Sent:
    return Sent({"name": world.name()}, path=GREETINGS)


def _task_case(method: str, fields: dict[str, Any], moves_on: str = "") -> Case:
    message = getattr(task_pb2, f"{method}Request")
    return Case(f"{TASKS}/{method}", partial(_of_task, message=message, fields=fields), moves_on, WORKER_KEY)


def _state_case(method: str, fields: dict[str, Any]) -> Case:
    message = getattr(task_pb2, f"{method}Request")
    return Case(f"{TASKS}/{method}", partial(_of_state, message=message, fields=fields), caller=WORKER_KEY)


_ENDED = "the task does not run any more, and that is what a heartbeat is to tell"

_GONE = "another worker has the task, and the one that reports late is told to leave it"

CASES = [
    *AGENT_CASES,
    Case(f"{DISPATCH}/StartWorkflow", _start),
    Case(f"{DISPATCH}/StartChildWorkflow", _start_child),
    Case(f"{DISPATCH}/SignalWorkflow", _signal),
    Case(f"{DISPATCH}/SignalWithStartWorkflow", _signal_with_start),
    Case(f"{DISPATCH}/ResolvePromise", _resolve),
    Case(f"{DISPATCH}/RejectPromise", _reject),
    Case(f"{DISPATCH}/SubmitWorkflowCommands", _submit, caller=WORKER_KEY),
    Case(f"{DISPATCH}/SubmitWorkflowCommands", _submit_suspended, caller=WORKER_KEY),
    Case(f"{DISPATCH}/ReportExecutionSpans", _spans),
    Case(f"{TASKS}/SubmitTask", _submit_task),
    _task_case("CompleteTask", {"output": json.dumps({"n": 1}).encode()}),
    _task_case("FailTask", {"error": "boom"}),
    Case(f"{TASKS}/FailTask", _fail_attempt, _GONE, WORKER_KEY),
    _task_case("CancelTask", {}),
    _task_case("Heartbeat", {}, _ENDED),
    _task_case("LogMessage", {"level": "info", "message": "line"}),
    _task_case("StreamTaskData", {"type": task_pb2.STREAM_EVENT_TYPE_TOKEN, "payload": '"a"'}),
    Case(f"{TASKS}/ReportProgress", _progress, caller=WORKER_KEY),
    _state_case("SetState", {"key": "a", "value": b"3"}),
    _state_case("ClearState", {"key": "a"}),
    _state_case("ClearAllState", {}),
    Case(f"{WORKERS}/RegisterWorker", _register),
    Case(f"{WORKERS}/SendHeartbeat", _worker_heartbeat),
    Case(f"{TOKEN_RPC}/CreateToken", _create_token),
    Case(f"{TOKEN_RPC}/RotateToken", _rotate_token),
    Case(f"{TOKEN_RPC}/RevokeToken", _revoke_token),
    Case(f"{AUDIT_RPC}/SetRetention", _set_retention),
    Case(f"{GREETING_RPC}/Greet", _greet),
    Case(f"POST {OF_TENANT}/workflow-executions", _rest_start),
    Case(f"POST {OF_TENANT}/workflow-executions/{{id}}/cancel", partial(_rest_end, verb="cancel")),
    Case(f"POST {OF_TENANT}/workflow-executions/{{id}}/terminate", partial(_rest_end, verb="terminate")),
    Case(f"DELETE {OF_TENANT}/workflow-executions/{{id}}", _rest_delete),
    *(
        Case(f"POST {OF_TENANT}/workflow-executions/bulk/{action}", partial(_rest_bulk, action=action, fields=fields))
        for action, fields in (
            ("cancel", {"reason": "enough"}),
            ("terminate", {"reason": "enough"}),
            ("signal", {"signalName": "s"}),
            ("retry", {"note": "again"}),
            ("delete", {}),
        )
    ),
    Case(f"POST {OF_TENANT}/workflow-executions/{{id}}/retry", _rest_retry),
    Case(
        f"POST {OF_TENANT}/workflow-executions/{{id}}/signal",
        partial(_rest_of_workflow, verb="signal", body={"signal_name": "s", "signal_value": 1}),
    ),
    Case(f"POST {OF_TENANT}/workflow-executions/signal-with-start", _rest_signal_with_start),
    Case(
        f"POST {OF_TENANT}/promises/{{ident}}/resolve",
        partial(_rest_settle, verb="resolve", body={"value": {"n": 1.5}}),
    ),
    Case(f"POST {OF_TENANT}/promises/{{ident}}/reject", partial(_rest_settle, verb="reject", body={"error": "no"})),
    Case(f"POST {OF_TENANT}/schedules", _rest_create_schedule),
    Case(f"PUT {OF_TENANT}/schedules/{{id}}", partial(_rest_of_schedule, body=_schedule("other"))),
    Case(f"DELETE {OF_TENANT}/schedules/{{id}}", _rest_of_schedule),
    Case(f"POST {OF_TENANT}/schedules/{{id}}/pause", partial(_rest_of_schedule, rest="/pause")),
    Case(f"POST {OF_TENANT}/schedules/{{id}}/resume", partial(_rest_of_schedule, rest="/resume", enabled=False)),
    Case(f"POST {OF_TENANT}/schedules/{{id}}/trigger", partial(_rest_of_schedule, rest="/trigger")),
    Case(f"POST {OF_TENANT}/task-executions", _rest_create_task),
    Case(f"DELETE {OF_TENANT}/task-executions/{{id}}", _rest_delete_task),
    Case(f"POST {TENANTS}", _rest_create_tenant, caller=OPERATOR_KEY),
    Case("POST /api/v1/session", partial(_rest_of_sessions, path="/api/v1/session")),
    Case("DELETE /api/v1/session", partial(_rest_of_sessions, path="/api/v1/session")),
    Case("DELETE /api/v1/sessions", partial(_rest_of_sessions, path="/api/v1/sessions")),
    Case(f"POST {TOKENS}", _rest_create_token),
    Case(f"POST {TOKENS}/{{id}}/rotate", _rest_rotate_token),
    Case(f"DELETE {TOKENS}/{{id}}", _rest_revoke_token),
    Case(f"PUT {RETENTION}", _rest_set_retention),
    Case(f"POST {GREETINGS}", _rest_greet),
]
