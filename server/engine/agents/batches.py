"""Carries out calls on agents: concurrent calls are one batch, one transaction and one commit.

A batch locks all its agents by one statement, in the order of their ids. Then it decides its calls in rounds: calls
that consume signals of one agent must see the writes of each other. Wake-ups follow the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from core.batching import Batcher
from core.connection import DatabaseConnection
from core.errors import FlovynError
from core.tracing import CURRENT, OpenSpan
from core.unit_of_work import after_commit
from server.database.effects import count
from server.domain.agent import AgentState, AgentStatus, ClaimedAgent, NewAgent
from server.domain.worker import Category
from server.engine.agents.claims import AgentClaims
from server.engine.agents.locked import AgentCall, AgentWrites, Answer, Locked, Wanted
from server.engine.dispatch.direct_dispatch import Reservations
from server.engine.schedules.next_due import NextDue
from server.engine.tasks.claims import TaskClaims, TaskDispatch
from server.storage.agent_records import AgentRecordRepository
from server.storage.agents import AgentKey, AgentRepository
from server.storage.repositories import Repositories

Call = AgentCall[Any]


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A call in a batch, and the span of the request that submits it."""

    call: Call
    span: OpenSpan | None = None


class AgentBatches:
    """Carries out calls on agents under their locks."""

    def __init__(self, storage: Repositories, claims: AgentClaims, task_claims: TaskClaims, deadlines: NextDue) -> None:
        self._deadlines = deadlines
        self._storage = storage
        self._agents: AgentRepository = storage.agents
        self._records: AgentRecordRepository = storage.agent_records
        self._claims = claims
        self._task_claims = task_claims
        self.cancelled: Callable[[Sequence[AgentKey]], None] = lambda _agents: None
        """Gets the cancelled agents of a batch whose children are to be cancelled, after the commit."""
        self._batcher: Batcher[_Submitted, Any] = Batcher(
            self._carry_out, weigh=lambda submitted: submitted.call.size, name="agent_calls"
        )

    async def submit(self, call: AgentCall[Answer]) -> Answer:
        """Carry out a call; committed when this returns.

        Raises:
            NotFound: the tenant has no such agent.
            FlovynError: the call refuses; see there.
        """
        answer: Answer = await self._batcher.submit(_Submitted(call, CURRENT.get()))
        return answer

    async def carry_out(self, calls: Sequence[Call]) -> None:
        """Carry out the calls of a sweep, in transactions of their own; refused calls change nothing."""
        if calls:
            await self._carry_out([_Submitted(call) for call in calls])

    async def close(self) -> None:
        """Wait until all accepted calls are committed."""
        await self._batcher.close()

    async def _carry_out(self, submitted: Sequence[_Submitted]) -> Sequence[Any]:
        with ExitStack() as stack:
            tasks = stack.enter_context(self._task_claims.dispatching())
            agent_pollers = stack.enter_context(self._claims.direct_dispatch.reserving())
            batch = _AgentBatch(self._agents, self._records, self._storage, tasks, agent_pollers)
            async with self._storage.database.transaction() as connection:
                results = await batch.run(connection, [each.call for each in submitted])
            agent_pollers.deliver(batch.claimed_agents)
        for task in tasks.due:
            if task.timeout_ms is not None:
                self._deadlines.expect(task.timeout_ms / 1000)
        for tenant_id, agent_id, queue, kind in batch.pending:
            if agent_id not in agent_pollers.served:
                self._claims.wake_queue((tenant_id, queue), kind)
        if batch.cascading:
            after_commit(partial(self.cancelled, batch.cascading))
        for each in submitted:
            if each.span is not None and (state := batch.states.get(each.call.key)) is not None:
                each.span.link(state.trace, state.id)
        return results


class _AgentBatch:
    """One batch, inside its transaction, and what follows its commit."""

    def __init__(
        self,
        agents: AgentRepository,
        records: AgentRecordRepository,
        storage: Repositories,
        dispatch: TaskDispatch,
        agent_pollers: Reservations[NewAgent, ClaimedAgent],
    ) -> None:
        self._agents = agents
        self._records = records
        self._tasks = storage.tasks
        self._dispatch = dispatch
        self._agent_pollers = agent_pollers
        self.claimed_agents: list[ClaimedAgent] = []
        self.cascading: list[AgentKey] = []
        self.states: Mapping[AgentKey, AgentState] = {}
        """The agents that exist."""
        self.pending: list[tuple[Any, Any, str, str]] = []
        """Tenant, agent, queue and kind of agents that a poller is woken for."""

    async def run(self, connection: DatabaseConnection, calls: Sequence[Call]) -> list[Any]:
        """Lock, decide and write; return the answer or the error of each call."""
        keys: dict[AgentKey, bool] = {}
        for call in calls:
            for key in call.more_keys:
                keys.setdefault(key, False)
            keys[call.key] = keys.get(call.key, False) or call.locks_parent
        locking = await self._agents.locking(connection, keys)
        # known tasks never change their owners; the question travels with the locks (pipeline mode)
        asked = list(dict.fromkeys(task for call in calls for task in call.tasks))
        owners = await self._records.asking_owners(connection, asked)
        locked = Locked(await locking())
        self.states = locked.states
        locked.task_owners = await owners()
        results: list[Any] = [None] * len(calls)
        for round_ in _rounds(calls, locked):
            await self._look_up(connection, [wanted for _, _, wanted in round_], locked)
            for index, call, _ in round_:
                results[index] = _decided(call, locked)
            await self._write(connection, locked)
            for index, call, _ in round_:
                if not isinstance(results[index], FlovynError):
                    results[index] = call.answer(results[index], locked)
        return results

    async def _look_up(self, connection: DatabaseConnection, wanted: Sequence[Wanted], locked: Locked) -> None:
        """Look up what the calls of a round must know, by one statement for each kind of fact."""
        children = list(dict.fromkeys(child for each in wanted for child in each.children))
        parents = list(dict.fromkeys(each.child_count for each in wanted if each.child_count))
        queries = [each.signals for each in wanted if each.signals]
        if children:
            locked.children |= await self._agents.children(connection, children)
        if parents:
            locked.child_counts |= await self._agents.count_children(connection, parents, MOST_COUNTED)
        if queries:
            found = await self._records.open_signals(connection, queries)
            locked.signals = dict(zip(queries, found, strict=True))

    async def _write(self, connection: DatabaseConnection, locked: Locked) -> None:
        writes, locked.writes = locked.writes, AgentWrites()
        if writes.lost:
            count(connection, lambda meter: meter.expired(Category.AGENT, ["silence"] * writes.lost))
        if writes.steps:
            await self._agents.apply(connection, list(writes.steps.values()))
        await self._write_records(connection, writes)
        if writes.tasks:
            await self._tasks.insert(connection, self._dispatch.assign(writes.tasks))
        if writes.children:
            children = self._agent_pollers.assign(writes.children)
            self.claimed_agents += await self._agents.insert(connection, children)
            self.pending += [(each.tenant_id, each.id, each.queue, each.kind) for each in children]
        if writes.without_tasks:
            await self._tasks.cancel_of_agents(connection, sorted(writes.without_tasks))
        if writes.resumed:
            resumed = await self._agents.resume(connection, list(writes.resumed), list(writes.resumed.values()))
            locked.resumed |= resumed
        if writes.to_wake:
            self.pending += await self._agents.wake(connection, writes.to_wake)
        self.cascading += [key for key in writes.without_tasks if locked.states[key].cascades]
        # also agents that were pending before: a claim skips locked rows, so that a poller may have missed them
        self.pending += [
            (state.tenant_id, state.id, state.queue, state.kind)
            for key in writes.steps
            if (state := locked.states[key]).status is AgentStatus.PENDING
        ]

    async def _write_records(self, connection: DatabaseConnection, writes: AgentWrites) -> None:
        if writes.checkpoints:
            await self._records.checkpoint(connection, writes.checkpoints)
        if writes.signals:
            await self._records.signal(connection, writes.signals)
        if writes.consumed:
            await self._records.consume(connection, writes.consumed)
        if writes.kept:
            await self._records.keep(connection, sorted(writes.kept))
        if writes.undone:
            await self._records.undo(connection, sorted(writes.undone))


MOST_COUNTED = 100_001
"""The number up to which open children are counted: more than any limit on them."""


def _decided(call: Call, locked: Locked) -> Any:
    try:
        return call.decide(locked)
    except FlovynError as error:
        return error


def _rounds(calls: Sequence[Call], locked: Locked) -> list[list[tuple[int, Call, Wanted]]]:
    """Divide calls into rounds, so that each agent has at most one call in a round that consumes its signals."""
    rounds: list[list[tuple[int, Call, Wanted]]] = []
    consuming: list[set[AgentKey]] = []
    for index, call in enumerate(calls):
        wanted = call.wants(locked)
        number = 0
        if wanted.signals is not None:
            while number < len(consuming) and call.key in consuming[number]:
                number += 1
        if number == len(rounds):
            rounds.append([])
            consuming.append(set())
        if wanted.signals is not None:
            consuming[number].add(call.key)
        rounds[number].append((index, call, wanted))
    return rounds
