"""``flovyn.v1.AgentDispatch``: workers poll for agents and record their activations.

The calls about signals, tasks and child agents are in ``agent_work``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from uuid import uuid4

from google.protobuf import empty_pb2

from core.auth import Action, Identity
from core.endpoints import GrpcMethod, GrpcService, Repeat
from core.fields import free_text, name_field, optional_text, queue_field
from proto.flovyn.v1 import agent_pb2 as pb
from server.domain.agent import Failure
from server.domain.agent_records import NewEntry, entry_id
from server.domain.claim import NewClaim
from server.domain.workflow import PollSlot
from server.engine.agents.activations import CompleteCall, FailCall, ResumeCall, SubmitCheckpointCall, SuspendCall
from server.engine.engine import Engine
from server.grpc_api.call_context import CLAIMED, handed_out, holder, is_too_late, within_deadline
from server.grpc_api.conversions import payload_field, uuid_field
from server.grpc_api.services import agent_messages as messages
from server.grpc_api.services.agent_messages import AGENT_FIELD, agent_of
from server.grpc_api.services.agent_work import AgentWork

_UNREACHABLE = re.compile(r"status: '?unavailable\b|\btransport error\b", re.IGNORECASE)
"""How workers report that they could not reach the server; they report any failed call as a failure of the agent."""


class AgentDispatch:
    """Handlers of the service."""

    def __init__(self, engine: Engine, claim: NewClaim, poll_hold: float) -> None:
        self._claim = claim
        self._agents = engine.agents
        self._seen = engine.workers.seen
        self._poll_hold = poll_hold
        self._work = AgentWork(engine)

    def service(self) -> GrpcService:
        """Return the service with the methods that this server offers."""
        methods = {
            "PollAgent": GrpcMethod(self.poll_agent, Action.POLL, "agent", self.release, "agent_execution.id"),
            "GetEntries": GrpcMethod(self.get_entries, Action.VIEW, "agent", resource_id=AGENT_FIELD),
            "AppendEntry": GrpcMethod(self.append_entry, Action.UPDATE, "agent", resource_id=AGENT_FIELD),
            "GetLatestCheckpoint": GrpcMethod(
                self.get_latest_checkpoint, Action.VIEW, "agent", resource_id=AGENT_FIELD
            ),
            "SubmitCheckpoint": GrpcMethod(self.submit_checkpoint, Action.UPDATE, "agent", resource_id=AGENT_FIELD),
            "CompleteAgent": GrpcMethod(
                self.complete_agent, Action.COMPLETE, "agent", resource_id=AGENT_FIELD, repeat=Repeat.SAME
            ),
            "FailAgent": GrpcMethod(
                self.fail_agent,
                Action.FAIL,
                "agent",
                resource_id=AGENT_FIELD,
                repeat=Repeat.SAME,
                free_texts=("error", "stack_trace", "failure_type"),
            ),
            "SuspendAgent": GrpcMethod(
                self.suspend_agent, Action.UPDATE, "agent", resource_id=AGENT_FIELD, repeat=Repeat.LAST
            ),
            "ResumeAgent": GrpcMethod(self.resume_agent, Action.UPDATE, "agent", resource_id=AGENT_FIELD),
        }
        return GrpcService(pb.DESCRIPTOR.services_by_name["AgentDispatch"], {**methods, **self._work.methods()})

    async def poll_agent(self, request: pb.PollAgentRequest, identity: Identity) -> pb.PollAgentResponse:
        """Claim an agent for a worker; the answer is empty without work. See ``WorkflowDispatch.poll_workflow``."""
        slot = PollSlot(
            tenant_id=uuid_field(request.org_id, "org_id"),
            queue=queue_field(request.queue),
            claim=self._claim(optional_text(request.worker_id, "worker_id"), holder(identity)),
            kinds=tuple(sorted(name_field(kind, "agent_capabilities") for kind in request.agent_capabilities)),
        )
        self._seen((slot.tenant_id, slot.claim.worker_id))
        agent = None if is_too_late() else await self._agents.poll(slot, within_deadline(self._poll_hold))
        if agent is not None and is_too_late():
            await self._agents.release([agent])
            agent = None
        CLAIMED.set(agent)
        if agent is None:
            return pb.PollAgentResponse()
        return pb.PollAgentResponse(agent_execution=messages.info(agent), traceparent=handed_out(agent.trace, agent.id))

    async def release(self, _answer: pb.PollAgentResponse, _identity: Identity) -> None:
        """Release the agent of a poll that had ended before the answer could reach the worker."""
        agent = CLAIMED.get()
        if agent is not None:
            await self._agents.release([agent])

    async def get_entries(self, request: pb.GetEntriesRequest, identity: Identity) -> AsyncIterator[pb.AgentEntryChunk]:
        """Stream the entries of an agent in the order of their arrival."""
        agent = agent_of(request, identity)
        after = uuid_field(request.after_entry_id, "after_entry_id") if request.HasField("after_entry_id") else None
        self._agents.seen(agent, begins=True)
        async for page in self._agents.entries.pages(agent, after):
            for entry in page:
                yield messages.entry_chunk(entry)

    async def append_entry(self, request: pb.AppendEntryRequest, identity: Identity) -> pb.AppendEntryResponse:
        """Append an entry. A key that is a UUID is the id of the entry."""
        agent = agent_of(request, identity)
        self._agents.seen(agent)
        key, parent = messages.short(request, "idempotency_key"), messages.given(request, "parent_id")
        role = messages.short(request, "role")
        appended = await self._agents.entries.append(
            NewEntry(
                *agent,
                id=uuid4() if key is None else entry_id(agent[1], key),
                parent_id=None if parent is None else uuid_field(parent, "parent_id"),
                entry_type=name_field(request.entry_type, "entry_type").lower(),
                role=None if role is None else role.lower(),
                content=await payload_field(request.content, "content"),
                turn_id=messages.short(request, "turn_id"),
                token_usage=messages.token_usage(request, "token_usage"),
            )
        )
        return pb.AppendEntryResponse(entry_id=str(appended.id), already_existed=appended.existed)

    async def get_latest_checkpoint(
        self, request: pb.GetCheckpointRequest, identity: Identity
    ) -> pb.GetCheckpointResponse:
        """Return the newest checkpoint of an agent."""
        agent = agent_of(request, identity)
        self._agents.seen(agent)
        return messages.checkpoint_answer(await self._agents.entries.latest_checkpoint(agent))

    async def submit_checkpoint(
        self, request: pb.SubmitCheckpointRequest, identity: Identity
    ) -> pb.SubmitCheckpointResponse:
        """Store a checkpoint with the next number."""
        agent = agent_of(request, identity)
        self._agents.seen(agent)
        call = SubmitCheckpointCall(
            *agent,
            messages.short(request, "leaf_entry_id"),
            await payload_field(request.state, "state"),
            messages.token_usage(request, "cumulative_token_usage"),
        )
        checkpoint_id, sequence = await self._agents.submit(call)
        return pb.SubmitCheckpointResponse(checkpoint_id=str(checkpoint_id), sequence=sequence)

    async def complete_agent(self, request: pb.CompleteAgentRequest, identity: Identity) -> empty_pb2.Empty:
        """Complete an agent."""
        agent = agent_of(request, identity)
        self._agents.claims.receipts.confirmed(agent)
        called_at = asyncio.get_running_loop().time()
        await self._agents.submit(CompleteCall(*agent, await payload_field(request.output, "output")))
        self._agents.claims.over(agent, called_at)
        return empty_pb2.Empty()

    async def fail_agent(self, request: pb.FailAgentRequest, identity: Identity) -> empty_pb2.Empty:
        """Fail an agent. A worker that could not reach the server has lost its activation, no more."""
        agent = agent_of(request, identity)
        self._agents.claims.receipts.confirmed(agent)
        called_at = asyncio.get_running_loop().time()
        error, kind = free_text(request.error), free_text(request.failure_type)
        trace = free_text(request.stack_trace) if request.HasField("stack_trace") else None
        unreachable = self._agents.limits.retry_unreachable and not kind and _UNREACHABLE.search(error) is not None
        await self._agents.submit(FailCall(*agent, Failure(error, trace, kind or None), unreachable))
        self._agents.claims.over(agent, called_at)
        return empty_pb2.Empty()

    async def suspend_agent(self, request: pb.SuspendAgentRequest, identity: Identity) -> empty_pb2.Empty:
        """Suspend an agent until its condition is met."""
        agent = agent_of(request, identity)
        self._agents.claims.receipts.confirmed(agent)
        called_at = asyncio.get_running_loop().time()
        await self._agents.submit(SuspendCall(*agent, messages.wait_of(request)))
        self._agents.claims.over(agent, called_at)
        return empty_pb2.Empty()

    async def resume_agent(self, request: pb.ResumeAgentRequest, identity: Identity) -> pb.ResumeAgentResponse:
        """Claim a waiting agent by its id, whether its condition is met or not."""
        claim = self._claim(optional_text(request.worker_id, "worker_id"), holder(identity))
        agent = await self._agents.submit(ResumeCall(*agent_of(request, identity), claim))
        if agent is None:
            return pb.ResumeAgentResponse(success=False)
        return pb.ResumeAgentResponse(success=True, agent=messages.info(agent))
