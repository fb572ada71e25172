"""``flovyn.v1.WorkflowDispatch``: clients start workflows, workers poll for them and submit commands."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from google.protobuf import empty_pb2

from core.auth import Action, Identity
from core.clock import Clock
from core.endpoints import GrpcMethod, GrpcService, Repeat
from core.errors import InvalidInput, NotFound, NotOffered
from core.fields import free_text, name_field, optional_text, queue_field
from core.launchers import WorkflowLaunch
from core.pacing import paced_groups
from core.payload import readable
from core.tracing import CURRENT
from proto.flovyn.v1 import workflow_pb2 as pb
from server.domain.claim import NewClaim
from server.domain.idempotency import checked_key
from server.domain.promise import parse_ref, rejected, resolved
from server.domain.submission import SubmissionOutcome
from server.domain.workflow import ClaimedWorkflow, PollSlot
from server.domain.workflow_event import Event
from server.engine.engine import Engine
from server.engine.submission.commands import submission
from server.engine.tasks.spans import ReportedSpan
from server.engine.workflows.children import ChildRequest
from server.engine.workflows.signals import Signal, SignalWithStart
from server.grpc_api.call_context import CLAIMED, handed_out, holder, is_too_late, within_deadline
from server.grpc_api.commands import commands_of, inherited_queue
from server.grpc_api.conversions import key_field, optional_uuid, payload_field, tenant_of, uuid_field
from server.grpc_api.wire import SerializedMessage

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WORKFLOW_FIELD = "workflow_execution_id"
DIGEST_BYTES = 16
EVENT_COST = 128
"""Bytes that take as long to answer as an event without data."""

_OUTCOMES: Mapping[int, SubmissionOutcome] = {
    pb.WORKFLOW_STATUS_UNSPECIFIED: SubmissionOutcome.RUNNING,
    pb.WORKFLOW_STATUS_RUNNING: SubmissionOutcome.RUNNING,
    pb.WORKFLOW_STATUS_SUSPENDED: SubmissionOutcome.SUSPENDED,
    pb.WORKFLOW_STATUS_COMPLETED: SubmissionOutcome.COMPLETED,
    pb.WORKFLOW_STATUS_CANCELLED: SubmissionOutcome.CANCELLED,
    pb.WORKFLOW_STATUS_FAILED: SubmissionOutcome.FAILED,
}


class WorkflowDispatch:
    """Handlers of the service."""

    def __init__(self, engine: Engine, claim: NewClaim, clock: Clock, poll_hold: float) -> None:
        self._claim = claim
        self._seen = engine.workers.seen
        self._clock = clock
        self._workflows = engine.workflows
        self._promises = engine.promises
        self._spans = engine.spans
        self._poll_hold = poll_hold
        self._open_streams = engine.streams.open_streams

    def service(self) -> GrpcService:
        """Return the service with the methods that this server offers."""
        methods = {
            "StartWorkflow": GrpcMethod(self.start_workflow, Action.EXECUTE, "workflow", resource_id=WORKFLOW_FIELD),
            "StartChildWorkflow": GrpcMethod(
                self.start_child_workflow, Action.EXECUTE, "workflow", resource_id="child_workflow_execution_id"
            ),
            "PollWorkflow": GrpcMethod(
                self.poll_workflow, Action.POLL, "workflow", self.release, "workflow_execution.id"
            ),
            "SubscribeToNotifications": GrpcMethod(self.subscribe_to_notifications, Action.POLL, "workflow"),
            "GetVisualWorkflowDefinitionById": GrpcMethod(
                self.get_visual_workflow_definition_by_id, Action.VIEW, "workflow-definition"
            ),
            "GetEvents": GrpcMethod(self.get_events, Action.VIEW, "workflow-execution"),
            "SubmitWorkflowCommands": GrpcMethod(
                self.submit_workflow_commands,
                Action.UPDATE,
                "workflow-execution",
                repeat=Repeat.SAME,
                free_texts=("error", "stack_trace", "failure_type", "reason"),
            ),
            "SignalWorkflow": GrpcMethod(self.signal_workflow, Action.UPDATE, "workflow-execution"),
            "SignalWithStartWorkflow": GrpcMethod(
                self.signal_with_start_workflow, Action.EXECUTE, "workflow", resource_id=WORKFLOW_FIELD
            ),
            "ResolvePromise": GrpcMethod(
                self.resolve_promise,
                Action.UPDATE,
                "workflow-execution",
                resource_id="promise_id",
                repeat=Repeat.SAME,
            ),
            "ReportExecutionSpans": GrpcMethod(self.report_execution_spans, Action.UPDATE, "workflow-execution"),
            "RejectPromise": GrpcMethod(
                self.reject_promise,
                Action.UPDATE,
                "workflow-execution",
                resource_id="promise_id",
                repeat=Repeat.SAME,
                free_texts=("error",),
            ),
        }
        return GrpcService(pb.DESCRIPTOR.services_by_name["WorkflowDispatch"], methods)

    async def start_workflow(self, request: pb.StartWorkflowRequest, identity: Identity) -> pb.StartWorkflowResponse:
        """Start a workflow; answer after the commit."""
        for field in ("workflow_definition_id", "parent_workflow_execution_id"):
            if request.HasField(field):
                raise NotOffered(f"{field} is not offered by this version of the server; leave it out")
        launched = await self._workflows.start(
            WorkflowLaunch(
                tenant_id=uuid_field(request.tenant_id, "tenant_id"),
                kind=request.workflow_kind,
                input=await payload_field(request.input, "input"),
                queue=request.queue,
                priority_seconds=request.priority_seconds,
                workflow_version=request.workflow_version if request.HasField("workflow_version") else None,
                metadata=request.metadata,
                idempotency_key=key_field(request),
            )
        )
        return pb.StartWorkflowResponse(
            workflow_execution_id=str(launched.id),
            idempotency_key_used=request.HasField("idempotency_key"),
            idempotency_key_new=launched.is_new,
        )

    async def start_child_workflow(
        self, request: pb.StartChildWorkflowRequest, identity: Identity
    ) -> pb.StartChildWorkflowResponse:
        """Start a child of a workflow that has not ended."""
        child_id = await self._workflows.start_child(
            ChildRequest(
                tenant_id=uuid_field(request.tenant_id, "tenant_id"),
                parent_id=uuid_field(request.parent_workflow_execution_id, "parent_workflow_execution_id"),
                name=optional_text(request.child_execution_name, "child_execution_name"),
                kind=name_field(request.workflow_kind, "workflow_kind"),
                input=await payload_field(request.input, "input"),
                queue=inherited_queue(request.queue),
                priority_seconds=request.priority_seconds,
            )
        )
        return pb.StartChildWorkflowResponse(child_workflow_execution_id=str(child_id))

    async def poll_workflow(self, request: pb.PollRequest, identity: Identity) -> pb.PollResponse:
        """Claim a workflow for a worker; the answer is empty without work.

        ``timeout_seconds`` does not lengthen the wait, because some workers block their whole process on this call.
        """
        slot = PollSlot(
            tenant_id=uuid_field(request.tenant_id, "tenant_id"),
            queue=queue_field(request.queue),
            claim=self._claim(optional_text(request.worker_id, "worker_id"), holder(identity)),
            kinds=tuple(sorted(name_field(kind, "workflow_capabilities") for kind in request.workflow_capabilities)),
        )
        self._seen((slot.tenant_id, slot.claim.worker_id))
        workflow = None if is_too_late() else await self._workflows.poll(slot, within_deadline(self._poll_hold))
        if workflow is not None and is_too_late():
            await self._workflows.release([workflow])
            workflow = None
        CLAIMED.set(workflow)
        if workflow is None:
            return pb.PollResponse()
        traceparent = handed_out(workflow.trace, workflow.id)
        return pb.PollResponse(workflow_execution=_execution(workflow), traceparent=traceparent)

    async def release(self, _answer: pb.PollResponse, _identity: Identity) -> None:
        """Release the workflow of a poll that had ended before the answer could reach the worker."""
        workflow = CLAIMED.get()
        if workflow is not None:
            await self._workflows.release([workflow])

    async def subscribe_to_notifications(
        self, request: pb.SubscriptionRequest, identity: Identity
    ) -> AsyncIterator[pb.WorkAvailableEvent]:
        """Stream wake-ups of a queue. Wake-ups may be lost, so workers must poll as well."""
        tenant_id, queue = uuid_field(request.tenant_id, "tenant_id"), queue_field(request.queue)
        with self._open_streams.counting(tenant_id):
            async for _ in self._workflows.watch((tenant_id, queue)):
                now = _milliseconds(self._clock.now())
                yield pb.WorkAvailableEvent(tenant_id=str(tenant_id), queue=queue, timestamp_ms=now)

    async def get_visual_workflow_definition_by_id(
        self, request: pb.GetVisualWorkflowDefinitionByIdRequest, identity: Identity
    ) -> pb.GetVisualWorkflowDefinitionByIdResponse:
        """Refuse the call: this server has no visual workflows."""
        raise NotFound(f"there is no visual workflow definition {request.workflow_definition_id!r} in this tenant")

    async def get_events(self, request: pb.GetEventsRequest, identity: Identity) -> SerializedMessage:
        """Return the whole history of a workflow in ascending order."""
        workflow_id = uuid_field(request.workflow_execution_id, "workflow_execution_id")
        events = await self._workflows.history((tenant_of(identity), workflow_id), holder(identity))
        parts = await paced_groups(events, _event_size, _serialized_events)
        return SerializedMessage(pb.GetEventsResponse, parts)

    async def report_execution_spans(
        self, request: pb.ReportExecutionSpansRequest, identity: Identity
    ) -> pb.ReportExecutionSpansResponse:
        """Count the spans that a worker reports."""
        spans = [_reported(span) for span in request.spans]
        accepted = await self._spans.report(tenant_of(identity), spans)
        return pb.ReportExecutionSpansResponse(accepted_count=accepted, rejected_count=len(spans) - accepted)

    async def submit_workflow_commands(
        self, request: pb.SubmitWorkflowCommandsRequest, identity: Identity
    ) -> empty_pb2.Empty:
        """Submit the commands and the outcome of an activation."""
        workflow_id = uuid_field(request.workflow_execution_id, "workflow_execution_id")
        if request.status not in _OUTCOMES:
            raise InvalidInput(f"status {request.status} is not a WorkflowStatus")
        commands = await commands_of(request.commands)
        outcome = _OUTCOMES[request.status]
        key = (tenant_of(identity), workflow_id)
        sent = request.SerializeToString(deterministic=True)
        digest = hashlib.blake2b(sent, digest_size=DIGEST_BYTES).hexdigest()
        await self._workflows.submit(
            replace(
                submission(*key, commands, outcome, len(sent), digest=digest, sent_by=holder(identity)),
                span=CURRENT.get(),
            )
        )
        return empty_pb2.Empty()

    async def signal_workflow(self, request: pb.SignalWorkflowRequest, identity: Identity) -> pb.SignalWorkflowResponse:
        """Deliver a signal to a workflow that has not ended."""
        signal = Signal(
            tenant_id=uuid_field(request.tenant_id, "tenant_id"),
            workflow_id=uuid_field(request.workflow_execution_id, "workflow_execution_id"),
            name=name_field(request.signal_name, "signal_name"),
            value=await payload_field(request.signal_value, "signal_value"),
        )
        return pb.SignalWorkflowResponse(signal_event_sequence=await self._workflows.signal(signal))

    async def signal_with_start_workflow(
        self, request: pb.SignalWithStartWorkflowRequest, identity: Identity
    ) -> pb.SignalWithStartWorkflowResponse:
        """Deliver a signal to the open workflow of a workflow id, or to one that is started for it."""
        has_ttl = request.HasField("idempotency_key_ttl_seconds")
        key = checked_key(
            name_field(request.workflow_id, "workflow_id"), request.idempotency_key_ttl_seconds if has_ttl else None
        )
        launch = WorkflowLaunch(
            tenant_id=uuid_field(request.tenant_id, "tenant_id"),
            kind=request.workflow_kind,
            input=await payload_field(request.workflow_input, "workflow_input"),
            queue=request.queue,
            priority_seconds=request.priority_seconds,
            workflow_version=request.workflow_version if request.HasField("workflow_version") else None,
            metadata=request.metadata,
            idempotency_key=key,
        )
        name = name_field(request.signal_name, "signal_name")
        value = await payload_field(request.signal_value, "signal_value")
        signalled = await self._workflows.signal_with_start(SignalWithStart(launch, name, value))
        return pb.SignalWithStartWorkflowResponse(
            workflow_execution_id=str(signalled.workflow_id),
            workflow_created=signalled.is_new,
            signal_event_sequence=signalled.sequence,
        )

    async def resolve_promise(self, request: pb.ResolvePromiseRequest, identity: Identity) -> empty_pb2.Empty:
        """Resolve a promise; a settled promise does not change."""
        outcome = resolved(await payload_field(request.value, "value"))
        await self._promises.settle(parse_ref(tenant_of(identity), request.promise_id), outcome)
        return empty_pb2.Empty()

    async def reject_promise(self, request: pb.RejectPromiseRequest, identity: Identity) -> empty_pb2.Empty:
        """Reject a promise; a settled promise does not change."""
        outcome = rejected(free_text(request.error))
        await self._promises.settle(parse_ref(tenant_of(identity), request.promise_id), outcome)
        return empty_pb2.Empty()


def _reported(span: pb.ExecutionSpan) -> ReportedSpan:
    return ReportedSpan(
        type=span.span_type,
        workflow_id=optional_uuid(span.workflow_id),
        task_id=optional_uuid(span.task_id) if span.HasField("task_id") else None,
        span_id=span.span_id,
        parent_id=span.parent_span_id,
        started=span.start_time_unix_ns,
        ended=span.end_time_unix_ns,
        error=(span.error_message or span.error_type or "error") if span.is_error else None,
        attributes=dict(span.attributes),
    )


def _event_size(event: Event) -> int:
    return len(event.data) + EVENT_COST


def _serialized_events(events: list[Event]) -> bytes:
    response = pb.GetEventsResponse()
    for event in events:
        response.events.add(
            sequence_number=event.sequence, event_type=event.type, event_data=readable(event.data).encode()
        )
    return response.SerializeToString()


def _execution(workflow: ClaimedWorkflow) -> pb.WorkflowExecution:
    execution = pb.WorkflowExecution(
        id=str(workflow.id),
        kind=workflow.kind,
        tenant_id=str(workflow.tenant_id),
        input=readable(workflow.input).encode(),
        queue=workflow.queue,
        priority_ms=workflow.priority_ms,
        created_at_ms=_milliseconds(workflow.created_at),
        current_sequence=workflow.last_sequence,
        workflow_task_time_millis=_milliseconds(workflow.claimed_at),
    )
    if workflow.workflow_version is not None:
        execution.workflow_version = workflow.workflow_version
    return execution


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)
