"""Workflow executions and their histories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import psycopg

from core import tracing
from core.connection import DatabaseConnection
from core.errors import NotFound
from core.named_queries import joined, named_queries
from core.payload import Json, dump
from core.plugin_services import Database
from server.database.effects import after_commit_of, count
from server.domain.claim import Claim, Released
from server.domain.retention import RetentionRule
from server.domain.submission import WorkflowStep
from server.domain.worker import Category
from server.domain.workflow import ClaimedWorkflow, NewWorkflow, PollSlot, WorkflowState, WorkflowStatus
from server.domain.workflow_event import DatedEvent, Event
from server.observability import run_spans
from server.storage.columns import claim_columns, columns
from server.storage.poll_slots import SlotGroups
from server.storage.rows import NAMED, SCALAR, fetch, keyed_row, read, record_row

_SQL = named_queries(__package__, "workflows.sql")
_CLAIMED = keyed_row(ClaimedWorkflow, "slot_group", "place", "waited")
_DISPATCHED = record_row(ClaimedWorkflow)
_RELEASED = record_row(Released)

STATE = record_row(WorkflowState, status=WorkflowStatus)
"""The rows of queries that lock workflows."""

WorkflowKey = tuple[UUID, UUID]
"""Tenant and workflow."""

Locking = Callable[[], Awaitable[dict[WorkflowKey, WorkflowState]]]
"""Returns the states of the workflows, once they are locked."""

Dispatched = Callable[[], Awaitable[list[ClaimedWorkflow]]]
"""Returns the workflows that were claimed by steps; after the commit, it needs no round trip."""


class WorkflowRepository:
    """Reads and writes ``workflow_execution`` and ``workflow_event``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self, workflows: Sequence[NewWorkflow]) -> list[ClaimedWorkflow]:
        """Insert workflows with their first events, in a transaction of their own; see ``insert``."""
        async with self._database.connection() as connection:
            return await self.insert(connection, workflows)

    async def insert(self, connection: DatabaseConnection, workflows: Sequence[NewWorkflow]) -> list[ClaimedWorkflow]:
        """Insert workflows with their first events, in the transaction of the connection; return the claimed ones.

        Raises:
            NotFound: a tenant does not exist; nothing was inserted.
        """
        parameters = columns(workflows, "tenant_id", "id", "kind", "queue", "input", "priority_ms", "workflow_version")
        parameters["metadata"] = [dump(dict(workflow.metadata)) for workflow in workflows]
        parameters["event_type"] = [workflow.started.type for workflow in workflows]
        parameters["event_data"] = [workflow.started.data for workflow in workflows]
        parameters["history_bytes"] = [workflow.started.size for workflow in workflows]
        parameters |= columns(workflows, "parent_id", "child_name", "depth", "has_key", "trace")
        parameters |= claim_columns([workflow.claim for workflow in workflows])
        awaited = {
            (workflow.tenant_id, workflow.id): (workflow, workflow.claim)
            for workflow in workflows
            if workflow.claim is not None
        }
        try:
            cursor = await connection.cursor(row_factory=NAMED).execute(_SQL["start"], parameters)
            rows = await cursor.fetchall() if awaited else []
        except psycopg.errors.ForeignKeyViolation:
            raise NotFound("the tenant does not exist on this server; create it first") from None
        count(connection, lambda meter: meter.workflows_started(workflows))
        return [_as_claimed(*awaited[row.tenant_id, row.id], row.created_at, row.claimed_at) for row in rows]

    async def claim(self, slots: Sequence[PollSlot]) -> list[ClaimedWorkflow | None]:
        """Claim pending workflows for the slots, oldest first; None for a slot without work."""
        groups = SlotGroups(slots)
        async with self._database.connection() as connection:
            rows = await fetch(connection, _CLAIMED, _SQL["claim"], groups.parameters)
            waits = [(workflow.queue, waited) for (_, _, waited), workflow in rows]
            count(connection, lambda meter: meter.claimed(Category.WORKFLOW, waits))
        return groups.by_slot(((group, place), workflow) for (group, place, _), workflow in rows)

    async def release(self, workflows: Sequence[ClaimedWorkflow]) -> None:
        """Release claimed workflows whose claims have not ended."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["release"], columns(workflows, "tenant_id", "id", "claim_id"))

    async def release_claims(self, claims: Collection[UUID], age: float, *, answered: bool) -> list[Released]:
        """Release the claims that were written, at most ``age`` seconds ago; return the released claims.

        ``answered`` says that workers may have received the workflows all the same.
        """
        parameters = {"claim_ids": list(claims), "age": age, "answered": int(answered)}
        return await read(self._database, _RELEASED, _SQL["release_claims"], parameters)

    async def reclaim(self, lease: float, silence: float, limit: int) -> list[tuple[UUID, str, str]]:
        """Release up to ``limit`` workflows whose worker will not submit; return tenant, queue and kind of each.

        The claim is older than ``lease`` seconds, or older than ``silence`` seconds without a heartbeat of its worker.
        """
        parameters = {"lease": lease, "silence": silence, "limit": limit}
        async with self._database.connection() as connection:
            rows = await fetch(connection, NAMED, _SQL["reclaim"], parameters)
            reasons = ["lease" if row.by_lease else "silence" for row in rows]
            count(connection, lambda meter: meter.expired(Category.WORKFLOW, reasons))
        return [(row.tenant_id, row.queue, row.kind) for row in rows]

    async def delete(self, connection: DatabaseConnection, keys: Sequence[WorkflowKey]) -> list[UUID]:
        """Delete the ended ones of workflows; return the ids of those that were deleted."""
        return await fetch(connection, SCALAR, _SQL["delete"], key_columns(keys))

    async def prune(
        self, rule: RetentionRule, earlier: Sequence[RetentionRule], since: datetime, limit: int
    ) -> list[datetime]:
        """Delete up to ``limit`` workflows that a rule no longer keeps, and that no earlier rule matches.

        Returns:
            Of each of them the time by which they are walked through; none of them is before ``since``.
        """
        conditions = {"prune_tenant": rule.tenant_id, "prune_kind": rule.kind}
        parts = [name for name, value in conditions.items() if value is not None]
        order = "prune_by_end" if rule.tenant_id is None else "prune_by_creation"
        parameters = {
            "age": rule.seconds,
            "tenant_id": rule.tenant_id,
            "kind": rule.kind,
            "since": since,
            "limit": limit,
            "tenant_ids": [each.tenant_id for each in earlier],
            "kinds": [each.kind for each in earlier],
        }
        return await read(self._database, SCALAR, joined(_SQL, ["prune_from", *parts, order]), parameters)

    async def lock(
        self, connection: DatabaseConnection, keys: Sequence[WorkflowKey]
    ) -> dict[WorkflowKey, WorkflowState]:
        """Lock workflows until the end of the transaction, and return their states."""
        return await (await self.locking(connection, keys, with_parents=False))()

    async def lock_with_parents(
        self, connection: DatabaseConnection, keys: Sequence[WorkflowKey]
    ) -> dict[WorkflowKey, WorkflowState]:
        """Lock workflows that may end, together with their parents; see ``lock``."""
        return await (await self.locking(connection, keys, with_parents=True))()

    async def locking(
        self, connection: DatabaseConnection, keys: Sequence[WorkflowKey], *, with_parents: bool
    ) -> Locking:
        """Lock workflows as ``lock`` or ``lock_with_parents`` does; return the function that returns their states.

        The caller sends its next statements before it calls the function: all of them travel together (pipeline mode).
        """
        query = _SQL["lock_with_parents" if with_parents else "lock"]
        cursor = await connection.cursor(row_factory=STATE).execute(query, key_columns(keys))

        async def states() -> dict[WorkflowKey, WorkflowState]:
            return by_key(await cursor.fetchall())

        return states

    async def lock_free(
        self, connection: DatabaseConnection, keys: Sequence[WorkflowKey]
    ) -> dict[WorkflowKey, WorkflowState]:
        """Lock the workflows that no other transaction has locked; see ``lock``."""
        return by_key(await fetch(connection, STATE, _SQL["lock_free"], key_columns(keys)))

    async def apply(self, connection: DatabaseConnection, steps: Sequence[WorkflowStep]) -> Dispatched:
        """Write the steps of locked workflows, in order; state and claim of the last step of a workflow stay."""
        last = {(step.state.tenant_id, step.state.id): step for step in steps}
        states = [step.state for step in last.values()]
        parameters = columns(states, "tenant_id", "id", "status", "last_sequence", "waking_sequence")
        parameters |= columns(
            states, "has_dependents", "signal_count", "history_bytes", "contested", "submission_digest"
        )
        parameters |= columns(list(last.values()), "output", "error")
        parameters["ended"] = [state.status.is_terminal for state in states]
        parameters |= claim_columns([step.claim for step in last.values()])
        events = [(step.state, event) for step in steps for event in step.events]
        parameters["event_tenant_id"] = [state.tenant_id for state, _ in events]
        parameters["event_workflow_id"] = [state.id for state, _ in events]
        parameters["sequence"] = [event.sequence for _, event in events]
        parameters["event_type"] = [event.type for _, event in events]
        parameters["event_data"] = [event.data for _, event in events]
        cursor = await connection.cursor(row_factory=_DISPATCHED).execute(_SQL["apply"], parameters)
        ended = [state for state in states if state.status.is_terminal]
        if ended:
            count(connection, lambda meter: meter.workflows_ended(ended))
        if tracing.is_on():
            ends = [step for step in last.values() if step.state.status.is_terminal]
            after_commit_of(connection, lambda: run_spans.workflows_ended(ends))
        queues = [step.state.queue for step in last.values() if step.claim is not None]
        if queues:
            count(connection, lambda meter: meter.workflows_dispatched(queues))

        async def dispatched() -> list[ClaimedWorkflow]:
            return await cursor.fetchall() if queues else []

        return dispatched

    async def parents(
        self, connection: DatabaseConnection, keys: Sequence[WorkflowKey]
    ) -> dict[WorkflowKey, UUID | None]:
        """Return the parents of the workflows that exist."""
        rows = await fetch(connection, NAMED, _SQL["parents"], key_columns(keys))
        return {(row.tenant_id, row.id): row.parent_id for row in rows}

    async def trace_contexts(
        self, connection: DatabaseConnection, keys: Sequence[WorkflowKey]
    ) -> dict[WorkflowKey, str | None]:
        """Return the stored trace contexts of the workflows that exist."""
        rows = await fetch(connection, NAMED, _SQL["trace_contexts"], key_columns(keys))
        return {(row.tenant_id, row.id): row.trace for row in rows}

    async def dated_histories(
        self, keys: Sequence[WorkflowKey], types: Sequence[str]
    ) -> dict[WorkflowKey, list[DatedEvent]]:
        """Return the events of some types of workflows, ascending, with their times."""
        parameters = {**key_columns(keys), "types": list(types)}
        found: dict[WorkflowKey, list[DatedEvent]] = defaultdict(list)
        for row in await read(self._database, NAMED, _SQL["dated_histories"], parameters):
            event = DatedEvent(row.event_type, row.head, row.created_at)
            found[row.tenant_id, row.workflow_execution_id].append(event)
        return found

    async def histories(self, keys: Sequence[WorkflowKey]) -> list[tuple[list[Event], str | None]]:
        """Return the history of each workflow, ascending, and its present claim; no event for an unknown workflow.

        ``keys`` may name a workflow twice.
        """
        rows = await read(self._database, NAMED, _SQL["histories"], key_columns(list(set(keys))))
        found: dict[WorkflowKey, list[Event]] = defaultdict(list)
        claims: dict[WorkflowKey, str] = {}
        for row in rows:
            key = (row.tenant_id, row.workflow_execution_id)
            found[key].append(Event(row.sequence, row.event_type, Json(row.event_data)))
            if row.claim_id is not None:
                claims[key] = row.claim_id
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
        trace=workflow.trace,
    )


def key_columns(keys: Sequence[WorkflowKey]) -> dict[str, list[UUID]]:
    """Return the parameters ``tenant_id`` and ``id`` of keys, as ``unnest`` needs them."""
    return {"tenant_id": [key[0] for key in keys], "id": [key[1] for key in keys]}


def by_key(states: Iterable[WorkflowState]) -> dict[WorkflowKey, WorkflowState]:
    """Return the states by the keys of their workflows."""
    return {(state.tenant_id, state.id): state for state in states}
