"""Messages of agents: fields that several calls have, and answers made of domain values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.auth import Identity
from core.errors import InvalidInput
from core.fields import name_field, optional_text
from core.limits import MAX_REPEATED
from core.payload import Json, dump, readable
from proto.flovyn.v1 import agent_pb2 as pb
from server.domain.agent import ClaimedAgent, Wait, WaitKind
from server.domain.agent_records import AgentSignal, Checkpoint, Entry
from server.engine.agents.children import ChildEvent
from server.grpc_api.conversions import tenant_of, uuid_field
from server.storage.agents import AgentKey

AGENT_FIELD = "agent_execution_id"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_CHECKPOINT = -1


def agent_of(request: Any, identity: Identity) -> AgentKey:
    """Return the tenant of the caller, and the agent that a call names."""
    return tenant_of(identity), uuid_field(request.agent_execution_id, AGENT_FIELD)


def member_of(request: Any, field: str) -> AgentKey:
    """Return the tenant of a request, and the agent that it names in a field."""
    return uuid_field(request.org_id, "org_id"), uuid_field(getattr(request, field), field)


def ids_field(texts: Iterable[str], field: str) -> tuple[UUID, ...]:
    """Return the ids of a repeated field."""
    return tuple(uuid_field(text, field) for text in texts)


def given(request: Any, field: str) -> str | None:
    """Return the text of an optional field; None if it is not set or empty."""
    return getattr(request, field) or None


def short(request: Any, field: str) -> str | None:
    """Return the short text of an optional field; None if it is not set or empty."""
    text = given(request, field)
    return None if text is None else optional_text(text, field)


def token_usage(request: Any, field: str) -> Json | None:
    """Return the token usage of a request as JSON; None if it is not set."""
    if not request.HasField(field):
        return None
    usage = getattr(request, field)
    return dump({each.name: value for each, value in usage.ListFields()})


def wait_of(request: pb.SuspendAgentRequest) -> Wait:
    """Return the condition of a suspension; ids that come twice count once.

    Raises:
        InvalidInput: there is no condition, a list is empty, or an id is no UUID.
    """
    reason = short(request, "reason")
    match request.WhichOneof("wait_condition"):
        case "wait_for_signal":
            return Wait(WaitKind.SIGNAL, name_field(request.wait_for_signal, "wait_for_signal"), reason=reason)
        case "wait_for_task":
            return Wait(WaitKind.TASKS_ALL, ids=ids_field([request.wait_for_task], "wait_for_task"), reason=reason)
        case "wait_for_tasks":
            kind = _MODES.get(request.wait_for_tasks.mode)
            if kind is None:
                raise InvalidInput(f"mode {request.wait_for_tasks.mode} is not a WaitMode")
            return Wait(kind, ids=_some(request.wait_for_tasks.task_ids, "task_ids"), reason=reason)
        case "wait_for_child_event":
            ids = _some(request.wait_for_child_event.child_execution_ids, "child_execution_ids")
            return Wait(WaitKind.ANY_CHILD, ids=ids, reason=reason)
        case "wait_for_all_children":
            ids = _some(request.wait_for_all_children.child_execution_ids, "child_execution_ids")
            return Wait(WaitKind.ALL_CHILDREN, ids=ids, reason=reason)
    raise InvalidInput("wait_condition is required: a signal, tasks or child agents")


_MODES = {
    pb.WAIT_MODE_UNSPECIFIED: WaitKind.TASKS_ALL,
    pb.WAIT_MODE_ALL: WaitKind.TASKS_ALL,
    pb.WAIT_MODE_ANY: WaitKind.TASKS_ANY,
}


def _some(texts: Sequence[str], field: str) -> tuple[UUID, ...]:
    if len(texts) > MAX_REPEATED:
        raise InvalidInput(f"{field} has {len(texts)} entries; at most {MAX_REPEATED} are allowed")
    ids = tuple(dict.fromkeys(ids_field(texts, field)))
    if not ids:
        raise InvalidInput(f"{field} is empty; name what the agent waits for")
    return ids


def info(agent: ClaimedAgent) -> pb.AgentExecutionInfo:
    """Return a claimed agent as its worker gets it."""
    return pb.AgentExecutionInfo(
        id=str(agent.id),
        kind=agent.kind,
        org_id=str(agent.tenant_id),
        input=readable(agent.input).encode(),
        queue=agent.queue,
        created_at_ms=milliseconds(agent.created_at),
        current_checkpoint_seq=agent.checkpoint_seq or NO_CHECKPOINT,
        persistence_mode=agent.persistence_mode,
        metadata=agent.metadata.encode(),
        parent_execution_id=None if agent.parent_id is None else str(agent.parent_id),
    )


def entry_chunk(entry: Entry) -> pb.AgentEntryChunk:
    """Return one message of the stream of entries."""
    message = pb.AgentEntry(
        id=str(entry.id),
        parent_id=None if entry.parent_id is None else str(entry.parent_id),
        entry_type=entry.entry_type,
        role=entry.role,
        content=readable(entry.content).encode(),
        turn_id=entry.turn_id,
        created_at_ms=milliseconds(entry.created_at),
    )
    if entry.token_usage is not None:
        message.token_usage.CopyFrom(pb.TokenUsage(**json.loads(entry.token_usage)))
    return pb.AgentEntryChunk(entry=message)


def checkpoint_answer(checkpoint: Checkpoint | None) -> pb.GetCheckpointResponse:
    """Return the answer with a checkpoint, or without one."""
    if checkpoint is None:
        return pb.GetCheckpointResponse()
    return pb.GetCheckpointResponse(
        checkpoint=pb.AgentCheckpoint(
            id=str(checkpoint.id),
            sequence=checkpoint.sequence,
            leaf_entry_id=checkpoint.leaf_entry_id,
            state=readable(checkpoint.state).encode(),
            created_at_ms=milliseconds(checkpoint.created_at),
        )
    )


def signal_message(signal: AgentSignal) -> pb.AgentSignal:
    """Return a consumed signal."""
    return pb.AgentSignal(
        id=str(signal.id),
        signal_name=signal.name,
        signal_value=readable(signal.value).encode(),
        created_at_ms=milliseconds(signal.created_at),
    )


def child_event(event: ChildEvent) -> pb.ChildEventInfo:
    """Return an event about a child. Workers know the types ``completed``, ``failed`` and ``signal``."""
    child_id, signal = str(event.child_id), event.signal
    if signal is not None:
        value = readable(signal.value).encode()
        return pb.ChildEventInfo(
            child_execution_id=child_id, event_type="signal", signal_name=signal.name, signal_payload=value
        )
    if event.error is None:
        output = readable(event.output or Json("null")).encode()
        return pb.ChildEventInfo(child_execution_id=child_id, event_type="completed", output=output)
    return pb.ChildEventInfo(child_execution_id=child_id, event_type="failed", error=event.error)


def milliseconds(moment: datetime) -> int:
    """Return a moment in milliseconds since 1970."""
    return round((moment - EPOCH).total_seconds() * 1000)
