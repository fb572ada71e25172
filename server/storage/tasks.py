"""Tasks and their attempts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from uuid import UUID

from core import tracing
from core.connection import DatabaseConnection
from core.named_queries import named_queries
from core.payload import dump
from core.plugin_services import Database
from server.database.effects import after_commit_of, count
from server.domain.claim import Released
from server.domain.task import CancelledTask, ClaimedTask, NewTask, TaskSlot, TaskState, TaskStatus, TaskStep
from server.domain.worker import Category
from server.domain.workflow import WorkflowState
from server.observability import run_spans
from server.storage.columns import claim_columns, columns
from server.storage.rows import NAMED, fetch, keyed_row, read, record_row
from server.storage.workflows import STATE, WorkflowKey, by_key

_SQL = named_queries(__package__, "tasks.sql")
_WORKFLOWS = named_queries(__package__, "workflows.sql")
_CLAIMED = keyed_row(ClaimedTask, "slot_group", "place", "waited")
_RELEASED = record_row(Released)
_STATE = record_row(TaskState, status=TaskStatus)
_CANCELLED = record_row(CancelledTask)

TaskKey = tuple[UUID, UUID]
"""Tenant and task."""


class TaskRepository:
    """Reads and writes ``task_execution`` and ``task_attempt``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, connection: DatabaseConnection, tasks: Sequence[NewTask]) -> None:
        """Insert tasks, in the transaction of the connection; an id must not exist yet (see ``existing``)."""
        parameters = columns(tasks, "tenant_id", "id", "workflow_execution_id", "kind", "queue", "input")
        parameters |= columns(tasks, "agent_execution_id", "trace")
        parameters |= columns(tasks, "max_retries", "scheduled_at", "timeout_ms")
        parameters |= claim_columns([task.claim for task in tasks])
        parameters["priority_ms"] = [max(task.priority_ms, 0) for task in tasks]
        parameters["metadata"] = [dump(dict(task.metadata)) for task in tasks]
        await connection.execute(_SQL["insert"], parameters)
        count(connection, lambda meter: meter.tasks_created(tasks))

    async def claim(self, slots: Sequence[TaskSlot]) -> list[ClaimedTask | None]:
        """Claim due tasks for the slots, oldest first; None for a slot without work."""
        groups: dict[tuple[UUID, str], list[int]] = defaultdict(list)
        for index, slot in enumerate(slots):
            groups[slot.tenant_id, slot.queue].append(index)
        members = list(groups.values())
        parameters = {
            "tenant_id": [key[0] for key in groups],
            "queue": [key[1] for key in groups],
            "count": [len(group) for group in members],
            "slot_group": [number for number, group in enumerate(members, 1) for _ in group],
            "place": [place for group in members for place in range(1, len(group) + 1)],
        }
        parameters |= claim_columns([slots[index].claim for group in members for index in group])
        claimed: list[ClaimedTask | None] = [None] * len(slots)
        async with self._database.connection() as connection:
            rows = await fetch(connection, _CLAIMED, _SQL["claim"], parameters)
            waits = [(task.queue, waited) for (_, _, waited), task in rows]
            count(connection, lambda meter: meter.claimed(Category.TASK, waits))
        for (group, place, _), task in rows:
            claimed[members[group - 1][place - 1]] = task
        return claimed

    async def release(self, tasks: Sequence[ClaimedTask]) -> None:
        """Release claimed tasks whose claims have not ended; the attempts are not counted."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["release"], columns(tasks, "tenant_id", "id", "claim_id"))

    async def release_claims(self, claims: Collection[UUID], age: float) -> list[Released]:
        """Release the claims that were written, at most ``age`` seconds ago; return the released claims."""
        parameters = {"claim_ids": list(claims), "age": age}
        return await read(self._database, _RELEASED, _SQL["release_claims"], parameters)

    async def lock(
        self, connection: DatabaseConnection, keys: Sequence[TaskKey]
    ) -> tuple[dict[WorkflowKey, WorkflowState], dict[TaskKey, TaskState]]:
        """Lock tasks and, before them, their workflows, until the end of the transaction.

        All callers lock in this order: with another order, two transactions could wait for each other.
        """
        # both statements are sent before the first result is awaited (pipeline mode)
        owners = await connection.cursor(row_factory=STATE).execute(_WORKFLOWS["lock_owners"], _keys(keys))
        tasks = await connection.cursor(row_factory=_STATE).execute(_SQL["lock"], _keys(keys))
        workflows = by_key(await owners.fetchall())
        return workflows, {(state.tenant_id, state.id): state for state in await tasks.fetchall()}

    async def settle(self, connection: DatabaseConnection, steps: Sequence[TaskStep]) -> None:
        """Write the steps of locked tasks, in order; the state of the last step of a task stays."""
        last = list({(step.state.tenant_id, step.state.id): step for step in steps}.values())
        parameters = columns([step.state for step in last], "tenant_id", "id", "status")
        parameters |= columns(last, "output", "error", "ended_in_claim")
        parameters["execution_count"] = [step.state.attempt for step in last]
        parameters["ended"] = [step.state.status.is_terminal for step in last]
        ends = {(step.state.tenant_id, step.state.id, step.ended.attempt): step.ended for step in steps if step.ended}
        parameters["attempt_tenant_id"] = [key[0] for key in ends]
        parameters["attempt_task_id"] = [key[1] for key in ends]
        parameters["attempt"] = [key[2] for key in ends]
        parameters["attempt_status"] = [end.status for end in ends.values()]
        parameters["attempt_error"] = [end.error for end in ends.values()]
        await connection.execute(_SQL["settle"], parameters)
        count(connection, lambda meter: meter.tasks_settled(steps))
        if tracing.is_on():
            after_commit_of(connection, lambda: run_spans.tasks_settled(steps))

    async def overdue(self, limit: int) -> list[TaskKey]:
        """Return up to ``limit`` open tasks whose deadline has passed."""
        rows = await read(self._database, NAMED, _SQL["overdue"], {"limit": limit})
        return [(row.tenant_id, row.id) for row in rows]

    async def expired_leases(self, lease: float, limit: int) -> list[tuple[UUID, UUID, int]]:
        """Return tenant, task and attempt of up to ``limit`` running tasks whose lease is over without a heartbeat.

        The lease is ``lease`` seconds, or the timeout of the kind of the task.
        """
        rows = await read(self._database, NAMED, _SQL["expired_leases"], {"lease": lease, "limit": limit})
        return [(row.tenant_id, row.id, row.execution_count) for row in rows]

    async def existing(
        self, connection: DatabaseConnection, keys: Sequence[TaskKey]
    ) -> dict[TaskKey, tuple[UUID | None, str]]:
        """Return workflow and kind of the tasks that exist."""
        rows = await fetch(connection, NAMED, _SQL["existing"], _keys(keys))
        return {(row.tenant_id, row.id): (row.workflow_execution_id, row.kind) for row in rows}

    async def cancel_of_workflows(self, connection: DatabaseConnection, keys: Sequence[tuple[UUID, UUID]]) -> None:
        """Cancel the open tasks of workflows that have ended; the caller holds the workflows' locks."""
        await self._cancel(connection, "cancel_of_workflows", keys)

    async def cancel_of_agents(self, connection: DatabaseConnection, keys: Sequence[tuple[UUID, UUID]]) -> None:
        """Cancel the open tasks of cancelled agents; the caller holds the agents' locks."""
        await self._cancel(connection, "cancel_of_agents", keys)

    async def _cancel(self, connection: DatabaseConnection, query: str, keys: Sequence[tuple[UUID, UUID]]) -> None:
        cursor = await connection.cursor(row_factory=_CANCELLED).execute(_SQL[query], _keys(keys))
        count(connection, lambda meter: meter.tasks_cancelled(cursor.rowcount))
        if tracing.is_on():
            cancelled = await cursor.fetchall()
            after_commit_of(connection, lambda: run_spans.tasks_cancelled(cancelled))


def _keys(keys: Sequence[tuple[UUID, UUID]]) -> dict[str, list[UUID]]:
    return {"tenant_id": [key[0] for key in keys], "id": [key[1] for key in keys]}
