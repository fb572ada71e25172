"""Tasks and their attempts in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from core.named_queries import named_queries
from core.payload import dump
from core.plugin_services import Database
from server.domain.claim import Released
from server.domain.task import ClaimedTask, NewTask, TaskSlot, TaskState, TaskStatus, TaskStep
from server.domain.workflow import WorkflowState
from server.storage.columns import claim_columns, columns
from server.storage.workflows import WorkflowKey, workflow_states

_SQL = named_queries(__package__, "tasks.sql")
_RUNS = named_queries(__package__, "workflows.sql")

TaskKey = tuple[UUID, UUID]
"""Tenant and task."""


class TaskRepository:
    """Reads and writes ``task_execution`` and ``task_attempt``."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def insert(self, connection: Any, tasks: Sequence[NewTask]) -> None:
        """Insert tasks inside the connection's transaction; an id must not exist yet (see ``existing``)."""
        parameters = columns(tasks, "tenant_id", "id", "workflow_execution_id", "kind", "queue", "input")
        parameters |= columns(tasks, "max_retries", "scheduled_at", "timeout_ms")
        parameters |= claim_columns([task.claim for task in tasks])
        parameters["priority_ms"] = [max(task.priority_ms, 0) for task in tasks]
        parameters["metadata"] = [dump(dict(task.metadata)) for task in tasks]
        await connection.execute(_SQL["insert"], parameters)

    async def claim(self, slots: Sequence[TaskSlot]) -> list[ClaimedTask | None]:
        """Hand due tasks to the slots, oldest first; None where there is no work."""
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
        async with self._database.connection() as connection:
            rows = await (await connection.execute(_SQL["claim"], parameters)).fetchall()
        claimed: list[ClaimedTask | None] = [None] * len(slots)
        for group, place, *row in rows:
            index = members[group - 1][place - 1]
            claimed[index] = ClaimedTask(*(*row, slots[index].claim.id))
        return claimed

    async def release(self, tasks: Sequence[ClaimedTask]) -> None:
        """Make claimed tasks pending again, as if the attempt had not been, unless their claims are over."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["release"], columns(tasks, "tenant_id", "id", "claim_id"))

    async def release_claims(self, claims: Collection[UUID], age: float) -> list[Released]:
        """Do the same with those of the claims that were written, at most ``age`` seconds ago; return them."""
        async with self._database.connection() as connection:
            parameters = {"claim_ids": list(claims), "age": age}
            rows = await (await connection.execute(_SQL["release_claims"], parameters)).fetchall()
        return [Released(*row) for row in rows]

    async def lock(
        self, connection: Any, keys: Sequence[TaskKey]
    ) -> tuple[dict[WorkflowKey, WorkflowState], dict[TaskKey, TaskState]]:
        """Lock tasks and, before them, their workflows, until the end of the connection's transaction."""
        owners = await connection.execute(_RUNS["lock_owners"], _keys(keys))  # both travel together (pipeline mode)
        tasks = await connection.execute(_SQL["lock"], _keys(keys))
        workflows = workflow_states(await owners.fetchall())
        states = (replace(TaskState(*row), status=TaskStatus(row[5])) for row in await tasks.fetchall())
        return workflows, {(state.tenant_id, state.id): state for state in states}

    async def settle(self, connection: Any, steps: Sequence[TaskStep]) -> None:
        """Write steps of locked tasks; the steps of one task in order, the last one's state stays."""
        last = list({(step.state.tenant_id, step.state.id): step for step in steps}.values())
        parameters = columns([step.state for step in last], "tenant_id", "id", "status")
        parameters |= columns(last, "output", "error")
        parameters["execution_count"] = [step.state.attempt for step in last]
        parameters["ended"] = [step.state.status.is_terminal for step in last]
        ends = {(step.state.tenant_id, step.state.id, step.ended.attempt): step.ended for step in steps if step.ended}
        parameters["attempt_tenant_id"] = [key[0] for key in ends]
        parameters["attempt_task_id"] = [key[1] for key in ends]
        parameters["attempt"] = [key[2] for key in ends]
        parameters["attempt_status"] = [end.status for end in ends.values()]
        parameters["attempt_error"] = [end.error for end in ends.values()]
        await connection.execute(_SQL["settle"], parameters)

    async def overdue(self, limit: int) -> list[TaskKey]:
        """Return up to ``limit`` open tasks whose deadline has passed."""
        async with self._database.connection() as connection:
            rows = await (await connection.execute(_SQL["overdue"], {"limit": limit})).fetchall()
        return [(row[0], row[1]) for row in rows]

    async def expired_leases(self, lease: float, limit: int) -> list[tuple[UUID, UUID, int]]:
        """Return tenant, task and attempt of up to ``limit`` running tasks without a sign of life for their lease.

        The lease is ``lease`` seconds, or the time-out of the task's kind.
        """
        async with self._database.connection() as connection:
            rows: list[tuple[UUID, UUID, int]]
            rows = await (await connection.execute(_SQL["expired_leases"], {"lease": lease, "limit": limit})).fetchall()
        return rows

    async def existing(self, connection: Any, keys: Sequence[TaskKey]) -> dict[TaskKey, tuple[UUID | None, str]]:
        """Return run and kind of those tasks that exist."""
        rows = await (await connection.execute(_SQL["existing"], _keys(keys))).fetchall()
        return {(row[0], row[1]): (row[2], row[3]) for row in rows}

    async def cancel_of_workflows(self, connection: Any, keys: Sequence[tuple[UUID, UUID]]) -> None:
        """Cancel the open tasks of workflows that have ended; the caller holds the workflows' locks."""
        await connection.execute(_SQL["cancel_of_workflows"], _keys(keys))


def _keys(keys: Sequence[tuple[UUID, UUID]]) -> dict[str, list[UUID]]:
    return {"tenant_id": [key[0] for key in keys], "id": [key[1] for key in keys]}
