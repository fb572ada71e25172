"""Workflow runs and their histories in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from core.errors import NotFound
from core.named_queries import named_queries
from core.payload import Json, dump
from core.plugin_services import Database
from server.domain.claim import Claim, Released
from server.domain.submission import Step
from server.domain.workflow import ClaimedWorkflow, NewWorkflow, PollSlot, WorkflowState, WorkflowStatus
from server.domain.workflow_event import Event
from server.storage.columns import claim_columns, columns

_SQL = named_queries(__package__, "workflows.sql")

WorkflowKey = tuple[UUID, UUID]
"""Tenant and run."""

Locking = Callable[[], Awaitable[dict[WorkflowKey, WorkflowState]]]
"""Tells what decides about workflows that are being locked, once they are."""


class WorkflowRepository:
    """Reads and writes ``workflow_execution`` and ``workflow_event``."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def start(self, workflows: Sequence[NewWorkflow]) -> list[ClaimedWorkflow]:
        """Insert runs with their first events; see ``insert``."""
        async with self._database.connection() as connection:
            return await self.insert(connection, workflows)

    async def insert(self, connection: Any, workflows: Sequence[NewWorkflow]) -> list[ClaimedWorkflow]:
        """Insert runs with their first events, in the connection's transaction; return the claimed ones.

        Raises:
            NotFound: a tenant does not exist; nothing was inserted.
        """
        parameters = columns(workflows, "tenant_id", "id", "kind", "queue", "input", "priority_ms", "workflow_version")
        parameters["metadata"] = [dump(dict(workflow.metadata)) for workflow in workflows]
        parameters["event_type"] = [workflow.started.type for workflow in workflows]
        parameters["event_data"] = [workflow.started.data for workflow in workflows]
        parameters["history_bytes"] = [workflow.started.size for workflow in workflows]
        parameters |= columns(workflows, "parent_id", "child_name", "depth", "has_key")
        parameters |= claim_columns([workflow.claim for workflow in workflows])
        awaited = {
            (workflow.tenant_id, workflow.id): (workflow, workflow.claim)
            for workflow in workflows
            if workflow.claim is not None
        }
        try:
            cursor = await connection.execute(_SQL["start"], parameters)
            rows = await cursor.fetchall() if awaited else []
        except psycopg.errors.ForeignKeyViolation:
            raise NotFound("the tenant does not exist on this server; create it first") from None
        return [_as_claimed(*awaited[tenant_id, workflow_id], *times) for tenant_id, workflow_id, *times in rows]

    async def claim(self, slots: Sequence[PollSlot]) -> list[ClaimedWorkflow | None]:
        """Hand pending workflows to the slots, oldest first; None where there is no work."""
        groups: dict[tuple[UUID, str, tuple[str, ...]], list[int]] = defaultdict(list)
        for index, slot in enumerate(slots):
            groups[slot.tenant_id, slot.queue, slot.kinds].append(index)
        members = list(groups.values())
        parameters = {
            "tenant_id": [key[0] for key in groups],
            "queue": [key[1] for key in groups],
            "kinds": [_text_array(key[2]) for key in groups],
            "count": [len(group) for group in members],
            "slot_group": [number for number, group in enumerate(members, 1) for _ in group],
            "place": [place for group in members for place in range(1, len(group) + 1)],
        }
        parameters |= claim_columns([slots[index].claim for group in members for index in group])
        async with self._database.connection() as connection:
            rows = await (await connection.execute(_SQL["claim"], parameters)).fetchall()
        claimed: list[ClaimedWorkflow | None] = [None] * len(slots)
        for group, place, *row in rows:
            index = members[group - 1][place - 1]
            claimed[index] = ClaimedWorkflow(*(*row, slots[index].claim.id))
        return claimed

    async def release(self, workflows: Sequence[ClaimedWorkflow]) -> None:
        """Make claimed workflows pending again, unless their claims are over."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["release"], columns(workflows, "tenant_id", "id", "claim_id"))

    async def release_claims(self, claims: Collection[UUID], age: float, *, answered: bool) -> list[Released]:
        """Do the same with those of the claims that were written, at most ``age`` seconds ago; return them.

        ``answered`` tells that workers may have got them all the same.
        """
        async with self._database.connection() as connection:
            parameters = {"claim_ids": list(claims), "age": age, "answered": int(answered)}
            rows = await (await connection.execute(_SQL["release_claims"], parameters)).fetchall()
        return [Released(*row) for row in rows]

    async def reclaim(self, lease: float, silence: float, limit: int) -> list[tuple[UUID, str, str]]:
        """Make up to ``limit`` runs pending whose worker will not report any more.

        Their claim is older than ``lease`` seconds, or than ``silence`` seconds and their worker shows no life since.
        Returns tenant, queue and kind of each.
        """
        async with self._database.connection() as connection:
            parameters = {"lease": lease, "silence": silence, "limit": limit}
            rows: list[tuple[UUID, str, str]]
            rows = await (await connection.execute(_SQL["reclaim"], parameters)).fetchall()
        return rows

    async def prune(self, age: float, limit: int) -> int:
        """Delete up to ``limit`` workflows that ended more than ``age`` seconds ago; return how many."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(_SQL["prune"], {"age": age, "limit": limit})
            return len(await cursor.fetchall())

    async def lock(self, connection: Any, keys: Sequence[WorkflowKey]) -> dict[WorkflowKey, WorkflowState]:
        """Lock runs until the end of the connection's transaction and return what decides about them."""
        return await (await self.locking(connection, keys, with_parents=False))()

    async def lock_with_parents(self, connection: Any, keys: Sequence[WorkflowKey]) -> dict[WorkflowKey, WorkflowState]:
        """Lock workflows that may end, together with their parents; see ``lock``."""
        return await (await self.locking(connection, keys, with_parents=True))()

    async def locking(self, connection: Any, keys: Sequence[WorkflowKey], *, with_parents: bool) -> Locking:
        """Lock runs as ``lock`` or ``lock_with_parents`` does, and return what tells their states.

        It is asked after the caller's next statements, which travel together with this one (pipeline mode).
        """
        query = _SQL["lock_with_parents" if with_parents else "lock"]
        cursor = await connection.execute(query, key_columns(keys))

        async def states() -> dict[WorkflowKey, WorkflowState]:
            return workflow_states(await cursor.fetchall())

        return states

    async def lock_free(self, connection: Any, keys: Sequence[WorkflowKey]) -> dict[WorkflowKey, WorkflowState]:
        """Lock those workflows that nobody else has locked; see ``lock``."""
        return workflow_states(await (await connection.execute(_SQL["lock_free"], key_columns(keys))).fetchall())

    async def apply(self, connection: Any, steps: Sequence[Step]) -> None:
        """Write steps of locked workflows; the steps of one workflow in order, the last one's state stays."""
        last = {(step.state.tenant_id, step.state.id): step for step in steps}
        states = [step.state for step in last.values()]
        parameters = columns(states, "tenant_id", "id", "status", "last_sequence", "waking_sequence")
        parameters |= columns(
            states, "has_dependents", "signal_count", "history_bytes", "contested", "submission_digest"
        )
        parameters |= columns(list(last.values()), "output", "error")
        parameters["ended"] = [state.status.is_terminal for state in states]
        events = [(step.state, event) for step in steps for event in step.events]
        parameters["event_tenant_id"] = [state.tenant_id for state, _ in events]
        parameters["event_run_id"] = [state.id for state, _ in events]
        parameters["sequence"] = [event.sequence for _, event in events]
        parameters["event_type"] = [event.type for _, event in events]
        parameters["event_data"] = [event.data for _, event in events]
        await connection.execute(_SQL["apply"], parameters)

    async def parents(self, connection: Any, keys: Sequence[WorkflowKey]) -> dict[WorkflowKey, UUID | None]:
        """Return the parents of those workflows that exist."""
        rows = await (await connection.execute(_SQL["parents"], key_columns(keys))).fetchall()
        return {(row[0], row[1]): row[2] for row in rows}

    async def histories(self, keys: Sequence[WorkflowKey]) -> list[tuple[list[Event], str | None]]:
        """Return the history of each workflow, ascending, and its present claim; no event for an unknown workflow.

        Runs may be asked for twice.
        """
        async with self._database.connection() as connection:
            rows = await (await connection.execute(_SQL["histories"], key_columns(list(set(keys))))).fetchall()
        found: dict[WorkflowKey, list[Event]] = defaultdict(list)
        claims: dict[WorkflowKey, str] = {}
        for tenant_id, workflow_id, sequence, event_type, data, claim in rows:
            found[tenant_id, workflow_id].append(Event(sequence, event_type, Json(data)))
            if claim is not None:
                claims[tenant_id, workflow_id] = claim
        return [(found[key], claims.get(key)) for key in keys]


def _as_claimed(workflow: NewWorkflow, claim: Claim, created_at: datetime, claimed_at: datetime) -> ClaimedWorkflow:
    return ClaimedWorkflow(
        tenant_id=workflow.tenant_id,
        id=workflow.id,
        kind=workflow.kind,
        queue=workflow.queue,
        input=workflow.input,
        priority_ms=workflow.priority_ms,
        workflow_version=workflow.workflow_version,
        last_sequence=1,
        created_at=created_at,
        claimed_at=claimed_at,
        claim_id=claim.id,
    )


def key_columns(keys: Sequence[WorkflowKey]) -> dict[str, list[UUID]]:
    """Return the columns of tenants and ids that ``unnest`` takes."""
    return {"tenant_id": [key[0] for key in keys], "id": [key[1] for key in keys]}


def workflow_states(rows: Iterable[Sequence[Any]]) -> dict[WorkflowKey, WorkflowState]:
    """Return rows of the queries that lock runs as what they stand for."""
    states = (replace(WorkflowState(*row), status=WorkflowStatus(row[4])) for row in rows)
    return {(state.tenant_id, state.id): state for state in states}


def _text_array(kinds: tuple[str, ...]) -> str | None:
    """Return PostgreSQL's text form of an array: ``unnest`` cannot take arrays of different lengths apart."""
    if not kinds:
        return None
    quoted = ('"' + kind.replace("\\", "\\\\").replace('"', '\\"') + '"' for kind in kinds)
    return "{" + ",".join(quoted) + "}"
