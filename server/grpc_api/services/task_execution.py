"""``flovyn.v1.TaskExecution``: workers poll for tasks and report on them, clients submit standalone ones."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from google.protobuf import empty_pb2

from core.auth import Action, Identity
from core.domain.fields import free_text, metadata_field, name_field, optional_text, queue_field
from core.domain.payload import parse_payload
from core.domain.task import ClaimedTask, NewTask, TaskReport, TaskSlot, Verdict, usable_timeout
from core.endpoints import GrpcMethod, GrpcService
from core.errors import InvalidInput, NotOffered
from proto.flovyn.v1 import task_pb2 as pb
from server.engine.tasks import Tasks
from server.grpc_api.conversions import tenant_of, uuid_field


class TaskExecution:
    """Handlers of the service."""

    def __init__(self, tasks: Tasks, poll_hold: float) -> None:
        """Take the engine and how long an empty poll is held, in seconds."""
        self._tasks = tasks
        self._poll_hold = poll_hold

    def service(self) -> GrpcService:
        """Return the service with the methods that this server offers."""
        methods = {
            "SubmitTask": GrpcMethod(self.submit_task, Action.CREATE, "task-execution"),
            "PollTask": GrpcMethod(self.poll_task, Action.POLL, "task-execution"),
            "CompleteTask": GrpcMethod(self.complete_task, Action.COMPLETE, "task-execution"),
            "FailTask": GrpcMethod(self.fail_task, Action.FAIL, "task-execution"),
            "CancelTask": GrpcMethod(self.cancel_task, Action.UPDATE, "task-execution"),
        }
        return GrpcService(pb.DESCRIPTOR.services_by_name["TaskExecution"], methods)

    async def submit_task(self, request: pb.SubmitTaskRequest, identity: Identity) -> pb.SubmitTaskResponse:
        """Create a task, standalone or for a run; the answer is given when it is committed."""
        if request.HasField("idempotency_key"):
            raise NotOffered("idempotency_key is not offered by this version of the server; leave it out")
        task = NewTask(
            tenant_id=uuid_field(request.tenant_id, "tenant_id"),
            id=uuid4(),
            workflow_execution_id=uuid_field(request.workflow_execution_id, "workflow_execution_id")
            if request.workflow_execution_id
            else None,
            kind=name_field(request.kind, "kind"),
            queue=queue_field(request.queue),
            input=parse_payload(request.input, "input"),
            max_retries=_retries(request.max_retries),
            timeout_ms=usable_timeout(request.timeout_ms),
            metadata=metadata_field(request.metadata),
        )
        await self._tasks.create(task)
        return pb.SubmitTaskResponse(
            task_execution_id=str(task.id), idempotency_key_used=False, idempotency_key_new=True
        )

    async def poll_task(self, request: pb.PollTaskRequest, identity: Identity) -> pb.PollTaskResponse:
        """Hand a task to a worker; no work is an empty answer. See ``WorkflowDispatch.poll_workflow``."""
        slot = TaskSlot(
            tenant_id=uuid_field(request.tenant_id, "tenant_id"),
            queue=queue_field(request.queue),
            worker_id=optional_text(request.worker_id, "worker_id"),
        )
        task = await self._tasks.poll(slot, self._poll_hold)
        return pb.PollTaskResponse() if task is None else pb.PollTaskResponse(task=_info(task))

    async def complete_task(self, request: pb.CompleteTaskRequest, identity: Identity) -> empty_pb2.Empty:
        """Record a task's result, once."""
        output = parse_payload(request.output, "output")
        return await self._report(request, identity, Verdict.COMPLETED, output=output)

    async def fail_task(self, request: pb.FailTaskRequest, identity: Identity) -> empty_pb2.Empty:
        """Record that an attempt failed: the task is tried again, or fails for good."""
        return await self._report(request, identity, Verdict.FAILED, error=free_text(request.error))

    async def cancel_task(self, request: pb.CancelTaskRequest, identity: Identity) -> empty_pb2.Empty:
        """Cancel an open task; its worker learns of it from its next heartbeat."""
        return await self._report(request, identity, Verdict.CANCELLED, error="Task cancelled by request")

    async def _report(self, request: Any, identity: Identity, verdict: Verdict, **more: Any) -> empty_pb2.Empty:
        task_id = uuid_field(request.task_execution_id, "task_execution_id")
        await self._tasks.report(TaskReport(tenant_of(identity), task_id, verdict, **more))
        return empty_pb2.Empty()


def _retries(value: int) -> int:
    if value < 0:
        raise InvalidInput(f"max_retries is {value}; it must be 0 (one attempt) or more")
    return value


def _info(task: ClaimedTask) -> pb.TaskExecutionInfo:
    return pb.TaskExecutionInfo(
        task_execution_id=str(task.id),
        kind=task.kind,
        input=task.input.encode(),
        workflow_execution_id=str(task.workflow_execution_id or ""),
        execution_count=task.attempt,
        queue=task.queue,
    )
