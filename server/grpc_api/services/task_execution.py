"""``flovyn.v1.TaskExecution``: workers poll for tasks and report on them; clients submit standalone tasks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from google.protobuf import empty_pb2

from core.auth import Action, Identity
from core.endpoints import GrpcMethod, GrpcService, Repeat
from core.errors import InvalidInput, LimitExceeded, Unavailable
from core.fields import free_text, name_field, optional_text, queue_field
from core.launchers import TaskLaunch
from core.log_limit import LogLimit
from core.payload import Json, dump, readable
from core.tracing import CURRENT
from proto.flovyn.v1 import task_pb2 as pb
from server.domain.claim import NewClaim
from server.domain.stream import Chunk, ChunkKind
from server.domain.task import ClaimedTask, TaskOutcome, TaskReport, TaskSlot, usable_timeout
from server.domain.task_note import Heartbeat, LogLine, Progress, StateEntry, StateKey, checked_progress, log_level
from server.engine.engine import Engine
from server.grpc_api.call_context import CLAIMED, handed_out, holder, is_too_late, within_deadline
from server.grpc_api.conversions import key_field, payload_field, tenant_of, uuid_field

_CHUNKS: Mapping[int, ChunkKind] = {
    pb.STREAM_EVENT_TYPE_TOKEN: ChunkKind.TOKEN,
    pb.STREAM_EVENT_TYPE_PROGRESS: ChunkKind.PROGRESS,
    pb.STREAM_EVENT_TYPE_DATA: ChunkKind.DATA,
    pb.STREAM_EVENT_TYPE_ERROR: ChunkKind.ERROR,
}


_dropped = LogLimit(logging.getLogger(__name__))


class TaskExecution:
    """Handlers of the service."""

    def __init__(self, engine: Engine, claim: NewClaim, poll_hold: float) -> None:
        self._claim = claim
        self._tasks = engine.tasks
        self._streams = engine.streams
        self._seen = engine.workers.seen
        self._poll_hold = poll_hold

    def service(self) -> GrpcService:
        """Return the service with the methods that this server offers."""
        methods = {
            "SubmitTask": GrpcMethod(self.submit_task, Action.CREATE, "task-execution"),
            "PollTask": GrpcMethod(
                self.poll_task, Action.POLL, "task-execution", self.release, "task.task_execution_id"
            ),
            "CompleteTask": GrpcMethod(self.complete_task, Action.COMPLETE, "task-execution", repeat=Repeat.SAME),
            "FailTask": GrpcMethod(
                self.fail_task, Action.FAIL, "task-execution", repeat=Repeat.SAME, free_texts=("error",)
            ),
            "CancelTask": GrpcMethod(self.cancel_task, Action.UPDATE, "task-execution", repeat=Repeat.SAME),
            "ReportProgress": GrpcMethod(
                self.report_progress, Action.UPDATE, "task-execution", repeat=Repeat.LAST, free_texts=("details",)
            ),
            "Heartbeat": GrpcMethod(self.heartbeat, Action.HEARTBEAT, "task-execution"),
            "LogMessage": GrpcMethod(self.log_message, Action.UPDATE, "task-execution", free_texts=("message",)),
            "GetState": GrpcMethod(self.get_state, Action.VIEW, "task-execution"),
            "SetState": GrpcMethod(self.set_state, Action.UPDATE, "task-execution", repeat=Repeat.LAST),
            "ClearState": GrpcMethod(self.clear_state, Action.UPDATE, "task-execution", repeat=Repeat.LAST),
            "ClearAllState": GrpcMethod(self.clear_all_state, Action.UPDATE, "task-execution", repeat=Repeat.LAST),
            "StreamTaskData": GrpcMethod(
                self.stream_task_data, Action.UPDATE, "task-execution", repeat=Repeat.COUNTS, free_texts=("payload",)
            ),
            "GetStateKeys": GrpcMethod(self.get_state_keys, Action.VIEW, "task-execution"),
        }
        return GrpcService(pb.DESCRIPTOR.services_by_name["TaskExecution"], methods)

    async def submit_task(self, request: pb.SubmitTaskRequest, identity: Identity) -> pb.SubmitTaskResponse:
        """Create a task, standalone or for a workflow; answer after the commit."""
        launch = TaskLaunch(
            tenant_id=uuid_field(request.tenant_id, "tenant_id"),
            kind=request.kind,
            input=await payload_field(request.input, "input"),
            queue=request.queue,
            max_retries=request.max_retries,
            timeout=_timeout(request.timeout_ms),
            metadata=request.metadata,
            idempotency_key=key_field(request),
        )
        launched = await self._tasks.start(launch, _workflow_id(request))
        return pb.SubmitTaskResponse(
            task_execution_id=str(launched.id),
            idempotency_key_used=request.HasField("idempotency_key"),
            idempotency_key_new=launched.is_new,
        )

    async def poll_task(self, request: pb.PollTaskRequest, identity: Identity) -> pb.PollTaskResponse:
        """Claim a task for a worker; the answer is empty without work. See ``WorkflowDispatch.poll_workflow``."""
        slot = TaskSlot(
            tenant_id=uuid_field(request.tenant_id, "tenant_id"),
            queue=queue_field(request.queue),
            claim=self._claim(optional_text(request.worker_id, "worker_id"), holder(identity)),
        )
        self._seen((slot.tenant_id, slot.claim.worker_id))
        task = None if is_too_late() else await self._tasks.poll(slot, within_deadline(self._poll_hold))
        if task is not None and is_too_late():
            await self._tasks.release([task])
            task = None
        CLAIMED.set(task)
        return pb.PollTaskResponse() if task is None else pb.PollTaskResponse(task=_info(task))

    async def release(self, _answer: pb.PollTaskResponse, _identity: Identity) -> None:
        """Release the task of a poll that had ended before the answer could reach the worker."""
        task = CLAIMED.get()
        if task is not None:
            await self._tasks.release([task])

    async def complete_task(self, request: pb.CompleteTaskRequest, identity: Identity) -> empty_pb2.Empty:
        """Complete a task; only the first report of an attempt counts."""
        output = await payload_field(request.output, "output")
        return await self._report(request, identity, TaskOutcome.COMPLETED, output=output)

    async def fail_task(self, request: pb.FailTaskRequest, identity: Identity) -> empty_pb2.Empty:
        """Fail an attempt; the task is tried again, or fails after its last attempt."""
        return await self._report(request, identity, TaskOutcome.FAILED, error=free_text(request.error))

    async def cancel_task(self, request: pb.CancelTaskRequest, identity: Identity) -> empty_pb2.Empty:
        """Cancel an open task; its worker is told by an error of its next heartbeat."""
        return await self._report(request, identity, TaskOutcome.CANCELLED, error="Task cancelled by request")

    async def report_progress(self, request: pb.ReportProgressRequest, identity: Identity) -> empty_pb2.Empty:
        """Store the progress of a running task."""
        progress = checked_progress(request.progress)
        details = free_text(request.details) or None
        tenant_id, task_id = _task(request, identity)
        workflow_id = await self._tasks.report_progress(
            Progress(tenant_id, task_id, progress, details, holder(identity))
        )
        shown = {"type": "progress", "progress": progress} | ({"details": details} if details else {})
        self._streams.publish(Chunk(tenant_id, workflow_id, task_id, ChunkKind.PROGRESS, dump(shown)))
        return empty_pb2.Empty()

    async def heartbeat(self, request: pb.HeartbeatRequest, identity: Identity) -> empty_pb2.Empty:
        """Renew the lease of a running task; an error tells the worker that the task has ended."""
        await self._tasks.heartbeat(_beat(request, identity))
        return empty_pb2.Empty()

    async def log_message(self, request: pb.LogMessageRequest, identity: Identity) -> empty_pb2.Empty:
        """Append a line to the task's log."""
        line = LogLine(*_task(request, identity), log_level(request.level), free_text(request.message))
        await self._tasks.log(line)
        self._tasks.sign(_beat(request, identity))
        return empty_pb2.Empty()

    async def get_state(self, request: pb.GetStateRequest, identity: Identity) -> pb.GetStateResponse:
        """Return the value of a key in the state of a task."""
        value = await self._tasks.get_state(StateKey(*_task(request, identity), name_field(request.key, "key")))
        self._tasks.sign(_beat(request, identity))
        return pb.GetStateResponse(value=readable(value or Json("")).encode(), found=value is not None)

    async def set_state(self, request: pb.SetStateRequest, identity: Identity) -> empty_pb2.Empty:
        """Set the value of a key in the state of a task, which later attempts can read."""
        value = await payload_field(request.value, "value")
        await self._tasks.set_state(StateEntry(*_task(request, identity), name_field(request.key, "key"), value))
        self._tasks.sign(_beat(request, identity))
        return empty_pb2.Empty()

    async def clear_state(self, request: pb.ClearStateRequest, identity: Identity) -> empty_pb2.Empty:
        """Delete a key from the state of a task."""
        await self._tasks.clear_state(_task(request, identity), name_field(request.key, "key"))
        self._tasks.sign(_beat(request, identity))
        return empty_pb2.Empty()

    async def clear_all_state(self, request: pb.ClearAllStateRequest, identity: Identity) -> empty_pb2.Empty:
        """Delete the state of a task."""
        await self._tasks.clear_state(_task(request, identity))
        self._tasks.sign(_beat(request, identity))
        return empty_pb2.Empty()

    async def stream_task_data(
        self, request: pb.StreamTaskDataRequest, identity: Identity
    ) -> pb.StreamTaskDataResponse:
        """Send a chunk of a running task to the streams of the task and of its workflow.

        Streaming is best effort and fails no task: a chunk of a task that has ended, or that cannot be looked up now,
        is acknowledged and dropped.
        """
        if request.type not in _CHUNKS:
            raise InvalidInput(f"type {request.type} is not a StreamEventType that can be sent")
        task = _task(request, identity)
        payload = free_text(request.payload)
        _workflow_id(request)  # only checked: the stored task names its workflow
        try:
            source = await self._streams.sources.of(task)
        except (Unavailable, LimitExceeded) as error:
            _dropped.warning("lookup", "a chunk of task %s was dropped: %s", task[1], error)
        else:
            if source.running:
                self._tasks.sign(_beat(request, identity))
                tenant_id, task_id = task
                kind = _CHUNKS[request.type]
                self._streams.publish(Chunk(tenant_id, source.workflow_id, task_id, kind, payload, source.agent_id))
        return pb.StreamTaskDataResponse(acknowledged=True)

    async def get_state_keys(self, request: pb.GetStateKeysRequest, identity: Identity) -> pb.GetStateKeysResponse:
        """Return the keys of the state of a task."""
        keys = await self._tasks.state_keys(_task(request, identity))
        self._tasks.sign(_beat(request, identity))
        return pb.GetStateKeysResponse(keys=keys)

    async def _report(self, request: Any, identity: Identity, outcome: TaskOutcome, **more: Any) -> empty_pb2.Empty:
        report = TaskReport(*_task(request, identity), outcome, sent_by=holder(identity), span=CURRENT.get(), **more)
        await self._tasks.report(report)
        return empty_pb2.Empty()


def _task(request: Any, identity: Identity) -> tuple[UUID, UUID]:
    """Return the tenant and the id of the task that a call names."""
    return tenant_of(identity), uuid_field(request.task_execution_id, "task_execution_id")


def _beat(request: Any, identity: Identity) -> Heartbeat:
    """Return the heartbeat that every call about a task implies."""
    return Heartbeat(*_task(request, identity), holder(identity))


def _workflow_id(request: Any) -> UUID | None:
    """Return the workflow of a task; None for a standalone task."""
    text = request.workflow_execution_id
    return uuid_field(text, "workflow_execution_id") if text else None


def _timeout(milliseconds: int) -> timedelta | None:
    usable = usable_timeout(milliseconds)
    return None if usable is None else timedelta(milliseconds=usable)


def _info(task: ClaimedTask) -> pb.TaskExecutionInfo:
    return pb.TaskExecutionInfo(
        task_execution_id=str(task.id),
        kind=task.kind,
        input=readable(task.input).encode(),
        workflow_execution_id=str(task.workflow_execution_id or ""),
        execution_count=task.attempt,
        queue=task.queue,
        traceparent=handed_out(task.trace, task.id, task.attempt),
    )
