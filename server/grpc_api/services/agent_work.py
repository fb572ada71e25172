"""The calls of ``flovyn.v1.AgentDispatch`` about signals, tasks, streams and child agents."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from uuid import UUID, uuid4

from core.auth import Action, Identity
from core.endpoints import GrpcMethod
from core.errors import FlovynError, InvalidInput, TooLarge
from core.fields import free_text, metadata_field, name_field, optional_text, queue_field
from core.launchers import DEFAULT_MAX_RETRIES
from core.limits import MAX_PAYLOAD_BYTES
from core.log_limit import LogLimit
from core.payload import NULL, Json, dump, readable
from proto.flovyn.v1 import agent_pb2 as pb
from server.domain.agent import AgentStatus, NewAgent
from server.domain.agent_records import OwnedTask, task_id
from server.domain.stream import Chunk, ChunkKind
from server.domain.task import NewTask, TaskStatus, usable_timeout
from server.engine.agents.children import PollChildEventsCall, SpawnChildCall
from server.engine.agents.signals import ConsumeSignalsCall, SendChildSignalCall, SendParentSignalCall, SendSignalCall
from server.engine.agents.starts import persistence_mode
from server.engine.agents.tasks import ResultsQuery, ScheduleTaskCall
from server.engine.engine import Engine
from server.grpc_api.conversions import optional_uuid, payload_field, tenant_of, uuid_field
from server.grpc_api.services import agent_messages as messages
from server.grpc_api.services.agent_messages import AGENT_FIELD, agent_of, ids_field, member_of

_CHUNKS: Mapping[int, ChunkKind] = {
    pb.AGENT_TOKEN: ChunkKind.TOKEN,
    pb.AGENT_PROGRESS: ChunkKind.PROGRESS,
    pb.AGENT_DATA: ChunkKind.DATA,
    pb.AGENT_ERROR: ChunkKind.ERROR,
    pb.AGENT_TOOL_START: ChunkKind.TOOL_START,
    pb.AGENT_TOOL_END: ChunkKind.TOOL_END,
}

_dropped = LogLimit(logging.getLogger(__name__))


class AgentWork:
    """Handlers of these calls."""

    def __init__(self, engine: Engine) -> None:
        self._agents = engine.agents
        self._streams = engine.streams

    def methods(self) -> Mapping[str, GrpcMethod]:
        """Return the methods by name."""
        update, view = Action.UPDATE, Action.VIEW
        parent, child = "parent_execution_id", "child_execution_id"
        return {
            "SignalAgent": GrpcMethod(self.signal_agent, update, "agent", resource_id=AGENT_FIELD),
            "ConsumeSignals": GrpcMethod(self.consume_signals, update, "agent", resource_id=AGENT_FIELD),
            "HasSignal": GrpcMethod(self.has_signal, view, "agent", resource_id=AGENT_FIELD),
            "ScheduleAgentTask": GrpcMethod(self.schedule_task, update, "agent", resource_id=f"header.{AGENT_FIELD}"),
            "GetAgentTaskResult": GrpcMethod(self.get_result, view, "agent", resource_id=AGENT_FIELD),
            "GetAgentTaskResults": GrpcMethod(self.get_results, view, "agent", resource_id=AGENT_FIELD),
            "GetAgentTaskCount": GrpcMethod(self.get_count, view, "agent", resource_id=AGENT_FIELD),
            "CancelAgentTask": GrpcMethod(
                self.cancel_task, update, "agent", resource_id=AGENT_FIELD, free_texts=("reason",)
            ),
            "StreamAgentData": GrpcMethod(
                self.stream_data, update, "agent", resource_id=AGENT_FIELD, free_texts=("payload",)
            ),
            "SpawnChildAgent": GrpcMethod(self.spawn_child, update, "agent", resource_id=child),
            "SendParentSignal": GrpcMethod(self.signal_parent, update, "agent", resource_id=child),
            "SendChildSignal": GrpcMethod(self.signal_child, update, "agent", resource_id=child),
            "PollChildEvents": GrpcMethod(self.poll_child_events, update, "agent", resource_id=parent),
        }

    async def signal_agent(self, request: pb.SignalAgentRequest, identity: Identity) -> pb.SignalAgentResponse:
        """Queue a signal at an agent."""
        name = name_field(request.signal_name, "signal_name")
        value = await payload_field(request.signal_value, "signal_value")
        sent = await self._agents.submit(SendSignalCall(*agent_of(request, identity), name, value))
        return pb.SignalAgentResponse(signal_id=str(sent.id), agent_resumed=sent.resumed)

    async def consume_signals(self, request: pb.ConsumeSignalsRequest, identity: Identity) -> pb.ConsumeSignalsResponse:
        """Hand out signals: the oldest one of a name, all that match a pattern, or all."""
        agent = agent_of(request, identity)
        self._agents.seen(agent)
        name, pattern = messages.short(request, "signal_name"), messages.short(request, "signal_pattern")
        signals = await self._agents.submit(ConsumeSignalsCall(*agent, name, pattern))
        return pb.ConsumeSignalsResponse(signals=[messages.signal_message(signal) for signal in signals])

    async def has_signal(self, request: pb.HasSignalRequest, identity: Identity) -> pb.HasSignalResponse:
        """Tell whether a signal of a name waits."""
        agent = agent_of(request, identity)
        self._agents.seen(agent)
        found = await self._agents.has_signal(agent, name_field(request.signal_name, "signal_name"))
        return pb.HasSignalResponse(has_signal=found)

    async def schedule_task(
        self, chunks: AsyncIterator[pb.ScheduleAgentTaskChunk], identity: Identity
    ) -> pb.ScheduleAgentTaskResponse:
        """Create a task of an agent, or find the one of its idempotency key, whatever its state and for ever."""
        header, data = await _read(chunks)
        agent = agent_of(header, identity)
        self._agents.seen(agent)
        key = messages.short(header, "idempotency_key")
        queue = messages.given(header, "queue")
        if header.HasField("max_retries") and header.max_retries < 0:
            raise InvalidInput(f"max_retries is {header.max_retries}; it must be 0 (one attempt) or more")
        task = NewTask(
            tenant_id=agent[0],
            id=uuid4() if key is None else task_id(key),
            workflow_execution_id=None,
            kind=name_field(header.task_kind, "task_kind"),
            queue=queue_field(queue or ""),
            input=await payload_field(data, "input"),
            max_retries=header.max_retries if header.HasField("max_retries") else DEFAULT_MAX_RETRIES,
            timeout_ms=usable_timeout(header.timeout_ms),
            metadata=metadata_field(header.metadata),
            agent_execution_id=agent[1],
        )
        launched = await self._agents.submit(ScheduleTaskCall(*agent, task, queue is not None))
        return pb.ScheduleAgentTaskResponse(
            task_execution_id=str(launched.id),
            idempotency_key_used=key is not None,
            idempotency_key_new=launched.is_new,
        )

    async def get_result(
        self, request: pb.GetAgentTaskResultRequest, identity: Identity
    ) -> pb.GetAgentTaskResultResponse:
        """Return the present state of one task of an agent."""
        [task] = await self._results(
            agent_of(request, identity), [uuid_field(request.task_execution_id, "task_execution_id")]
        )
        output = _output(task)
        return pb.GetAgentTaskResultResponse(status=task.status, output=output, error=_error(task))

    async def get_results(
        self, request: pb.GetAgentTaskResultsRequest, identity: Identity
    ) -> pb.GetAgentTaskResultsResponse:
        """Return the present states of tasks of an agent: one for each id, in the order of the request."""
        ids = ids_field(request.task_execution_ids, "task_execution_ids")
        answer = pb.GetAgentTaskResultsResponse()
        for task in await self._results(agent_of(request, identity), ids):
            answer.results.add(
                task_execution_id=str(task.id), status=task.status, output=_output(task), error=_error(task)
            )
        return answer

    async def get_count(self, request: pb.GetAgentTaskCountRequest, identity: Identity) -> pb.GetAgentTaskCountResponse:
        """Return the number of an agent's tasks."""
        agent = agent_of(request, identity)
        self._agents.seen(agent)
        return pb.GetAgentTaskCountResponse(task_count=await self._agents.tasks.count(agent))

    async def cancel_task(self, request: pb.CancelAgentTaskRequest, identity: Identity) -> pb.CancelAgentTaskResponse:
        """Cancel a pending or running task of an agent."""
        agent = agent_of(request, identity)
        self._agents.seen(agent)
        reason = free_text(request.reason) or None
        outcome = await self._agents.tasks.cancel(
            agent, uuid_field(request.task_execution_id, "task_execution_id"), reason
        )
        return pb.CancelAgentTaskResponse(cancelled=outcome.cancelled, status=outcome.status)

    async def stream_data(
        self, requests: AsyncIterator[pb.StreamAgentDataRequest], identity: Identity
    ) -> pb.StreamAgentDataResponse:
        """Send chunks to the subscribers of agents.

        Workers fail their agents when this call fails. So it never does: what cannot be sent is dropped.
        """
        tenant_id = tenant_of(identity)
        try:
            async for request in requests:
                agent_id = optional_uuid(request.agent_execution_id)
                kind = _CHUNKS.get(request.event_type)
                if agent_id is not None and kind is not None:
                    self._agents.seen((tenant_id, agent_id))
                    payload = free_text(request.payload)
                    self._streams.publish(Chunk(tenant_id, None, None, kind, payload, agent_id))
        except FlovynError as error:
            _dropped.warning("stream", "the rest of a stream of an agent was dropped: %s", error)
        return pb.StreamAgentDataResponse(acknowledged=True)

    async def spawn_child(self, request: pb.SpawnChildAgentRequest, identity: Identity) -> pb.SpawnChildAgentResponse:
        """Create a child agent. It is a new one for each call."""
        agent = member_of(request, "parent_execution_id")
        self._agents.seen(agent)
        queue = messages.given(request, "queue")
        child = NewAgent(
            tenant_id=agent[0],
            id=uuid4(),
            kind=name_field(request.agent_kind, "agent_kind"),
            queue=queue_field(queue or ""),
            input=await payload_field(request.input, "input"),
            persistence_mode=persistence_mode(optional_text(request.mode, "mode"), "mode"),
            metadata=_options(request),
        )
        limits = self._agents.limits
        child_id = await self._agents.submit(
            SpawnChildCall(*agent, child, queue is not None, limits.agent_children, limits.agent_depth)
        )
        return pb.SpawnChildAgentResponse(child_execution_id=str(child_id), status=AgentStatus.PENDING)

    async def signal_parent(
        self, request: pb.SendParentSignalRequest, identity: Identity
    ) -> pb.SendParentSignalResponse:
        """Queue a signal at the parent of an agent; a parent that has ended gets none."""
        agent = member_of(request, "child_execution_id")
        self._agents.seen(agent)
        name, value = name_field(request.signal_name, "signal_name"), await payload_field(request.payload, "payload")
        delivered = await self._agents.submit(SendParentSignalCall(*agent, name, value))
        return pb.SendParentSignalResponse(delivered=delivered)

    async def signal_child(self, request: pb.SendChildSignalRequest, identity: Identity) -> pb.SendChildSignalResponse:
        """Queue a signal at a child of an agent; a child that has ended gets none."""
        parent = member_of(request, "parent_execution_id")
        self._agents.seen(parent)
        child_id = uuid_field(request.child_execution_id, "child_execution_id")
        name, value = name_field(request.signal_name, "signal_name"), await payload_field(request.payload, "payload")
        call = SendChildSignalCall(parent[0], child_id, parent[1], name, value)
        delivered = await self._agents.submit(call)
        return pb.SendChildSignalResponse(delivered=delivered)

    async def poll_child_events(
        self, request: pb.PollChildEventsRequest, identity: Identity
    ) -> pb.PollChildEventsResponse:
        """Return events about children: their ends, or a signal, which is consumed."""
        parent = member_of(request, "parent_execution_id")
        self._agents.seen(parent)
        ids = ids_field(request.child_execution_ids, "child_execution_ids")
        events = await self._agents.submit(PollChildEventsCall(*parent, ids))
        return pb.PollChildEventsResponse(events=[messages.child_event(event) for event in events])

    async def _results(self, agent: tuple[UUID, UUID], ids: tuple[UUID, ...] | list[UUID]) -> list[OwnedTask]:
        self._agents.seen(agent)
        return await self._agents.tasks.results(ResultsQuery(agent, tuple(ids)))


async def _read(chunks: AsyncIterator[pb.ScheduleAgentTaskChunk]) -> tuple[pb.ScheduleAgentTaskHeader, bytes]:
    """Return the header and the input of a stream.

    Raises:
        InvalidInput: the stream does not begin with its header, or has two.
        TooLarge: the input is too large; the rest of it is not read.
    """
    header: pb.ScheduleAgentTaskHeader | None = None
    data = bytearray()
    async for chunk in chunks:
        part = chunk.WhichOneof("chunk")
        if header is None:
            if part != "header":
                raise InvalidInput("the stream must begin with its header")
            header = chunk.header
        elif part == "header":
            raise InvalidInput("the stream has two headers")
        else:
            data += chunk.input_chunk
            if len(data) > MAX_PAYLOAD_BYTES:
                raise TooLarge(f"input is larger than {MAX_PAYLOAD_BYTES} bytes")
    if header is None:
        raise InvalidInput("the stream must begin with its header")
    return header, bytes(data)


def _options(request: pb.SpawnChildAgentRequest) -> Json:
    """Return the options of a child as metadata: none of them is enforced."""
    options = {
        "systemPrompt": free_text(request.system_prompt) if request.HasField("system_prompt") else None,
        "tools": list(request.tools) or None,
        "model": request.model if request.HasField("model") else None,
        "maxBudgetTokens": request.max_budget_tokens if request.HasField("max_budget_tokens") else None,
        "templateSlug": request.template_slug if request.HasField("template_slug") else None,
    }
    return dump({name: value for name, value in options.items() if value is not None})


def _output(task: OwnedTask) -> bytes | None:
    if task.status is not TaskStatus.COMPLETED:
        return None
    return readable(task.output or NULL).encode()


def _error(task: OwnedTask) -> str | None:
    return task.error if task.status in {TaskStatus.FAILED, TaskStatus.CANCELLED} else None
