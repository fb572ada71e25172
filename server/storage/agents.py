"""Agents: their rows, claims and conditions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg

from core import tracing
from core.connection import DatabaseConnection
from core.errors import NotFound
from core.named_queries import named_queries
from core.plugin_services import Database
from server.database.effects import after_commit_of, count
from server.domain.agent import AgentState, AgentStatus, AgentStep, ClaimedAgent, NewAgent, WaitKind
from server.domain.agent_records import ChildFact
from server.domain.claim import Claim, Released
from server.domain.worker import Category
from server.domain.workflow import PollSlot
from server.observability import run_spans
from server.storage.columns import claim_columns, columns
from server.storage.poll_slots import SlotGroups, uuid_array
from server.storage.rows import NAMED, SCALAR, fetch, keyed_row, read, record_row
from server.storage.workflows import key_columns

_SQL = named_queries(__package__, "agents.sql")
_CLAIMED = keyed_row(ClaimedAgent, "slot_group", "place", "waited")
_RESUMED = record_row(ClaimedAgent)
_RELEASED = record_row(Released)
_CHILD = record_row(ChildFact, status=AgentStatus)


def _kind(text: str | None) -> WaitKind | None:
    return None if text is None else WaitKind(text)


_STATE = record_row(AgentState, status=AgentStatus, wait_kind=_kind)

AgentKey = tuple[UUID, UUID]
"""Tenant and agent."""

Woken = tuple[UUID, UUID, str, str]
"""Tenant, agent, queue and kind of an agent that is PENDING again."""

Locking = Callable[[], Awaitable[dict[AgentKey, AgentState]]]
"""Returns the states of the agents, once they are locked."""

_HELD = {AgentStatus.RUNNING, AgentStatus.CANCELLING}


class AgentRepository:
    """Reads and writes ``agent_execution``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, connection: DatabaseConnection, agents: Sequence[NewAgent]) -> list[ClaimedAgent]:
        """Insert agents, in the transaction of the connection; return the claimed ones.

        Raises:
            NotFound: a tenant does not exist; nothing was inserted.
        """
        parameters = columns(agents, "tenant_id", "id", "kind", "queue", "persistence_mode", "metadata", "input")
        parameters |= columns(agents, "parent_id", "depth", "trace") | claim_columns([agent.claim for agent in agents])
        try:
            rows = await fetch(connection, NAMED, _SQL["insert"], parameters)
        except psycopg.errors.ForeignKeyViolation:
            raise NotFound("the tenant does not exist on this server; create it first") from None
        count(connection, lambda meter: meter.agents_started(agents))
        created = {(row.tenant_id, row.id): row.created_at for row in rows}
        return [
            _dispatched(agent, agent.claim, created[agent.tenant_id, agent.id])
            for agent in agents
            if agent.claim is not None
        ]

    async def start(self, agents: Sequence[NewAgent]) -> list[ClaimedAgent]:
        """Insert agents in a transaction of their own; see ``insert``."""
        async with self._database.connection() as connection:
            return await self.insert(connection, agents)

    async def claim(self, slots: Sequence[PollSlot]) -> list[ClaimedAgent | None]:
        """Claim pending agents for the slots, the longest claimable first; None for a slot without work."""
        groups = SlotGroups(slots)
        async with self._database.connection() as connection:
            rows = await fetch(connection, _CLAIMED, _SQL["claim"], groups.parameters)
            waits = [(agent.queue, waited) for (_, _, waited), agent in rows]
            count(connection, lambda meter: meter.claimed(Category.AGENT, waits))
        return groups.by_slot(((group, place), agent) for (group, place, _), agent in rows)

    async def release(self, agents: Sequence[ClaimedAgent]) -> None:
        """Release claimed agents whose claims have not ended."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["release"], columns(agents, "tenant_id", "id", "claim_id"))

    async def release_claims(self, claims: Collection[UUID], age: float) -> list[Released]:
        """Release claims that are at most ``age`` seconds old and after which no call named the agent; return them."""
        parameters = {"claim_ids": list(claims), "age": age}
        return await read(self._database, _RELEASED, _SQL["release_claims"], parameters)

    async def lock(self, connection: DatabaseConnection, agents: Mapping[AgentKey, bool]) -> dict[AgentKey, AgentState]:
        """Lock agents, and the parents of those whose value is True, until the end of the transaction."""
        return await (await self.locking(connection, agents))()

    async def locking(self, connection: DatabaseConnection, agents: Mapping[AgentKey, bool]) -> Locking:
        """Lock agents as ``lock`` does; return the function that returns their states.

        The caller sends its next statements before it calls the function: all of them travel together (pipeline mode).
        """
        parameters = {**key_columns(list(agents)), "with_parent": list(agents.values())}
        cursor = await connection.cursor(row_factory=_STATE).execute(_SQL["lock"], parameters)

        async def states() -> dict[AgentKey, AgentState]:
            return _by_key(await cursor.fetchall())

        return states

    async def lock_owners(
        self, connection: DatabaseConnection, tasks: Sequence[tuple[UUID, UUID]]
    ) -> dict[AgentKey, AgentState]:
        """Lock the agents of tasks, before the tasks are locked."""
        return _by_key(await fetch(connection, _STATE, _SQL["lock_owners"], key_columns(tasks)))

    async def lock_free(self, connection: DatabaseConnection, agents: Sequence[AgentKey]) -> dict[AgentKey, AgentState]:
        """Lock the agents that no other transaction has locked."""
        return _by_key(await fetch(connection, _STATE, _SQL["lock_free"], key_columns(agents)))

    async def apply(self, connection: DatabaseConnection, steps: Sequence[AgentStep]) -> None:
        """Write steps of locked agents, one for each agent."""
        states = [step.state for step in steps]
        parameters = columns(states, "tenant_id", "id", "status", "wait_kind", "wait_name", "checkpoint_seq")
        parameters |= columns(states, "signal_count", "has_provisional", "lost_claims", "cancel_reason", "cascades")
        parameters |= columns(steps, "output", "error", "stack_trace", "failure_type")
        parameters["held"] = [state.status in _HELD for state in states]
        parameters["ended"] = [state.status.is_terminal for state in states]
        parameters["waits"] = [step.wait is not None for step in steps]
        parameters["wait_ids"] = [uuid_array(step.wait.ids) if step.wait else None for step in steps]
        parameters["wait_reason"] = [step.wait.reason if step.wait else None for step in steps]
        parameters["joined_ids"] = [uuid_array(state.joined_ids) for state in states]
        await connection.execute(_SQL["apply"], parameters)
        ended = [state for state in states if state.status.is_terminal]
        if ended:
            count(connection, lambda meter: meter.agents_ended(ended))
        if tracing.is_on():
            ends = [step for step in steps if step.state.status.is_terminal]
            after_commit_of(connection, lambda: run_spans.agents_ended(ends))

    async def wake(self, connection: DatabaseConnection, agents: Collection[AgentKey]) -> list[Woken]:
        """Make those of the locked agents PENDING whose conditions are met; return them."""
        rows = await fetch(connection, NAMED, _SQL["wake"], key_columns(sorted(agents)))
        return [(row.tenant_id, row.id, row.queue, row.kind) for row in rows]

    async def resume(
        self, connection: DatabaseConnection, agents: Sequence[AgentKey], claims: Sequence[Claim]
    ) -> dict[AgentKey, ClaimedAgent]:
        """Claim those of the locked agents that are WAITING."""
        found = await fetch(connection, _RESUMED, _SQL["resume"], key_columns(agents) | claim_columns(claims))
        return {(agent.tenant_id, agent.id): agent for agent in found}

    async def exists(self, agent: AgentKey) -> bool:
        """Return whether the tenant has such an agent."""
        return bool(await read(self._database, SCALAR, _SQL["exists"], {"tenant_id": agent[0], "id": agent[1]}))

    async def seen(self, agents: Sequence[AgentKey]) -> None:
        """Write that calls have named agents."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["seen"], key_columns(agents))

    async def silent(self, limit: int, **seconds: float) -> list[tuple[AgentKey, int, str]]:
        """Return up to ``limit`` agents whose activations seem lost, each with its claim number and the reason.

        ``seconds``: ``contact`` until the first call, ``silence`` of worker and agent, ``agent_silence`` of the agent
        alone, ``cancelling`` after a cancellation.
        """
        rows = await read(self._database, NAMED, _SQL["silent"], {**seconds, "limit": limit})
        return [((row.tenant_id, row.id), row.claim_number, row.why) for row in rows]

    async def unseen_tasks(self, limit: int) -> list[AgentKey]:
        """Return agents whose tasks an older version of the server has ended: those of up to ``limit`` tasks."""
        return await self._keys("unseen_tasks", limit)

    async def see_tasks(self, connection: DatabaseConnection, agents: Sequence[AgentKey]) -> None:
        """Count such ends for the present claims of locked agents."""
        await connection.execute(_SQL["see_tasks"], key_columns(agents))

    async def cascading(self, limit: int) -> list[AgentKey]:
        """Return up to ``limit`` cancelled agents whose children are not cancelled yet."""
        return await self._keys("cascading", limit)

    async def open_children(self, agents: Sequence[AgentKey], limit: int) -> list[tuple[AgentKey, AgentKey, str]]:
        """Return up to ``limit`` open children of each agent: parent, child, and why the parent was cancelled."""
        rows = await read(self._database, NAMED, _SQL["open_children"], {**key_columns(agents), "limit": limit})
        return [
            ((row.tenant_id, row.parent_id), (row.tenant_id, row.id), row.cancel_reason or "its parent was cancelled")
            for row in rows
        ]

    async def cascaded(self, agents: Sequence[AgentKey]) -> None:
        """Write that no child of these agents is left to be cancelled."""
        async with self._database.connection() as connection:
            await connection.execute(_SQL["cascaded"], key_columns(agents))

    async def count_children(
        self, connection: DatabaseConnection, agents: Sequence[AgentKey], limit: int
    ) -> dict[AgentKey, int]:
        """Return the numbers of open children of locked agents, counted up to ``limit``."""
        rows = await fetch(connection, NAMED, _SQL["count_children"], {**key_columns(agents), "limit": limit})
        return {(row.tenant_id, row.id): row.number for row in rows}

    async def children(self, connection: DatabaseConnection, agents: Sequence[AgentKey]) -> dict[UUID, ChildFact]:
        """Return the present states of the agents that exist."""
        return {fact.id: fact for fact in await fetch(connection, _CHILD, _SQL["children"], key_columns(agents))}

    async def prune(self, age: float, limit: int) -> int:
        """Delete up to ``limit`` agents that ended more than ``age`` seconds ago; return how many."""
        return len(await read(self._database, SCALAR, _SQL["prune"], {"age": age, "limit": limit}))

    async def _keys(self, query: str, limit: int) -> list[AgentKey]:
        rows = await read(self._database, NAMED, _SQL[query], {"limit": limit})
        return [(row.tenant_id, row.id) for row in rows]


def _by_key(states: Sequence[AgentState]) -> dict[AgentKey, AgentState]:
    return {state.key: state for state in states}


def _dispatched(agent: NewAgent, claim: Claim, created_at: Any) -> ClaimedAgent:
    return ClaimedAgent(
        tenant_id=agent.tenant_id,
        id=agent.id,
        kind=agent.kind,
        queue=agent.queue,
        input=agent.input,
        persistence_mode=agent.persistence_mode,
        metadata=agent.metadata,
        parent_id=agent.parent_id,
        checkpoint_seq=0,
        created_at=created_at,
        claim_id=claim.id,
        trace=agent.trace,
    )
