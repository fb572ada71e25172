"""State changes of agents and their tasks, as streams show them: differences between two looks at their rows.

Agents have no history. A state that lasts for less than the time between two looks is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from core.payload import Json, dump
from server.domain.agent import AgentStatus, WaitKind
from server.domain.task import TaskStatus

Change = tuple[str, Json]
"""The name of an event, and its data."""


@dataclass(frozen=True, slots=True)
class AgentLook:
    """An agent at one moment; ``wait_kind`` is the condition of a WAITING one."""

    tenant_id: UUID
    id: UUID
    status: AgentStatus
    claim_number: int
    checkpoint_seq: int
    wait_kind: WaitKind | None
    error: str | None


@dataclass(frozen=True, slots=True)
class TaskLook:
    """A task of an agent at one moment."""

    tenant_id: UUID
    id: UUID
    agent_id: UUID
    kind: str
    status: TaskStatus
    execution_count: int
    error: str | None


def agent_changes(before: AgentLook | None, now: AgentLook) -> Iterator[Change]:
    """Yield the changes since an earlier look; without one, since the creation of the agent."""
    claims = 0 if before is None else before.claim_number
    if claims == 0 and now.claim_number > 0:
        yield _agent("agent.started", now, status=AgentStatus.RUNNING)
    if now.claim_number > max(claims, 1):
        yield _agent("agent.resumed", now, status=AgentStatus.RUNNING)
    for number in range(1 if before is None else before.checkpoint_seq + 1, now.checkpoint_seq + 1):
        yield _agent("agent.checkpoint", now, sequence=number)
    was = None if before is None else before.status
    if now.status is AgentStatus.WAITING and (was is not AgentStatus.WAITING or claims != now.claim_number):
        yield _agent("agent.waiting", now, reason=_reason(now.wait_kind))
    if now.status.is_terminal and was is not now.status:
        error = {} if now.error is None else {"error": now.error}
        yield _agent(f"agent.{now.status.lower()}", now, **error)


def task_changes(before: TaskLook | None, now: TaskLook) -> Iterator[Change]:
    """Yield the same for a task of an agent."""
    if before is None:
        yield _task("task.created", now, TaskStatus.PENDING)
    if now.execution_count > (0 if before is None else before.execution_count):
        yield _task("task.started", now, TaskStatus.RUNNING)
    if now.status.is_terminal and (before is None or before.status is not now.status):
        yield _task(f"task.{now.status.lower()}", now, now.status)


def _agent(name: str, look: AgentLook, **more: object) -> Change:
    return name, dump({"agentExecutionId": str(look.id), "status": look.status, **more})


def _task(name: str, look: TaskLook, status: TaskStatus) -> Change:
    about = {"agentExecutionId": str(look.agent_id), "taskExecutionId": str(look.id), "kind": look.kind}
    error = {"error": look.error} if status.is_terminal and look.error is not None else {}
    return name, dump({**about, "status": status, **error})


def _reason(kind: WaitKind | None) -> str:
    if kind is None or kind is WaitKind.SIGNAL:
        return "signal"
    return "tasks" if kind.concerns_tasks else "children"
