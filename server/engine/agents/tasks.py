"""The tasks of agents: scheduled by their ids, read in the order of the request, cancelled one by one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from core.batching import Batcher
from core.errors import AlreadyExists, AuthzError, FlovynError, LimitExceeded, WrongState
from core.launchers import Launched
from core.tracing import context_below
from server.domain.agent import AgentStatus, must_be_open
from server.domain.agent_records import OwnedTask
from server.domain.task import NewTask, TaskOutcome, TaskReport, TaskStatus
from server.engine.agents.locked import AgentCall, Locked, check_task, unknown_agent
from server.engine.tasks.reports import TaskReports
from server.storage.agent_records import AgentRecordRepository
from server.storage.agents import AgentKey, AgentRepository
from server.storage.tasks import TaskKey

RESULT_BYTES = 4 * 1024 * 1024 - 64 * 1024
"""The size of the outputs of one answer, in characters: clients refuse answers above 4 MiB."""


@dataclass(frozen=True)
class ScheduleTaskCall(AgentCall[Launched]):
    """Create a task of an agent, or find the one of its id, whatever its state."""

    tenant_id: UUID
    agent_id: UUID
    task: NewTask
    has_queue: bool

    @property
    def size(self) -> int:
        """Return the size of the input."""
        return len(self.task.input)

    @property
    def tasks(self) -> Collection[TaskKey]:
        """Return the task: it may exist."""
        return [(self.tenant_id, self.task.id)]

    def decide(self, locked: Locked) -> Launched:
        """Create the task if it does not exist."""
        state = locked.state(self.key)
        must_be_open(state, "schedule a task")
        queue = self.task.queue if self.has_queue else state.queue
        task = replace(self.task, queue=queue, trace=context_below(state.trace, state.id))
        key = (self.tenant_id, task.id)
        if key in locked.task_owners:
            if locked.task_owners[key] != self.agent_id:
                raise AlreadyExists(f"task {task.id} belongs to something else; choose another idempotency key")
            return Launched(task.id, is_new=False)
        locked.task_owners[key] = self.agent_id
        locked.writes.tasks.append(task)
        return Launched(task.id, is_new=True)


@dataclass(frozen=True, slots=True)
class ResultsQuery:
    """The tasks whose results an agent asks for."""

    agent: AgentKey
    task_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class TaskCancellation:
    """The outcome of a cancellation of a task: whether this call cancelled it, and its present status."""

    cancelled: bool
    status: TaskStatus


class AgentTasks:
    """The calls about the tasks of agents that need no lock on the agents."""

    def __init__(self, agents: AgentRepository, records: AgentRecordRepository, reports: TaskReports) -> None:
        self._agents = agents
        self._records = records
        self._reports = reports
        self._results: Batcher[ResultsQuery, list[OwnedTask]] = Batcher(self._read_results, name="agent_task_results")

    async def results(self, query: ResultsQuery) -> list[OwnedTask]:
        """Return the tasks in the order of the request; an id that comes twice is answered twice.

        Raises:
            NotFound: there is no such agent or task.
            AuthzError: a task does not belong to the agent.
            WrongState: the agent was cancelled; its worker should stop.
            LimitExceeded: the outputs are too large for one answer.
        """
        found = await self._found(query)
        if any(task.agent_status in {AgentStatus.CANCELLING, AgentStatus.CANCELLED} for task in found):
            raise WrongState(f"agent was cancelled: agent {query.agent[1]} needs no results; stop working on it")
        return found

    async def _found(self, query: ResultsQuery) -> list[OwnedTask]:
        try:
            found = await self._results.submit(query)
        except AuthzError:
            await self._must_exist(query.agent)
            raise
        if not found:
            await self._must_exist(query.agent)
        return found

    async def _must_exist(self, agent: AgentKey) -> None:
        if not await self._agents.exists(agent):
            raise unknown_agent(agent[1])

    async def count(self, agent: AgentKey) -> int:
        """Return the number of the agent's tasks in any state.

        Raises:
            NotFound: there is no such agent.
        """
        count = await self._records.count_tasks(agent)
        if count is None:
            raise unknown_agent(agent[1])
        return count

    async def cancel(self, agent: AgentKey, task_id: UUID, reason: str | None) -> TaskCancellation:
        """Cancel an open task of an agent; a task that has ended does not change.

        Raises:
            NotFound: there is no such agent or task.
            AuthzError: the task does not belong to the agent.
        """
        [before] = await self._found(ResultsQuery(agent, (task_id,)))
        if before.status.is_terminal:
            return TaskCancellation(cancelled=False, status=before.status)
        report = TaskReport(agent[0], task_id, TaskOutcome.CANCELLED, error=reason or "Task cancelled by its agent")
        try:
            cancelled = await self._reports.report(report)
        except WrongState:
            [after] = await self._found(ResultsQuery(agent, (task_id,)))
            return TaskCancellation(cancelled=False, status=after.status)
        return TaskCancellation(cancelled, TaskStatus.CANCELLED)

    async def close(self) -> None:
        """Wait until no read is under way."""
        await self._results.close()

    async def _read_results(self, queries: Sequence[ResultsQuery]) -> Sequence[list[OwnedTask] | FlovynError]:
        wanted = {(query.agent[0], task_id) for query in queries for task_id in query.task_ids}
        found = await self._records.tasks(list(wanted))
        return [_results(query, found) for query in queries]


def _results(query: ResultsQuery, found: dict[TaskKey, OwnedTask]) -> list[OwnedTask] | FlovynError:
    tenant_id, agent_id = query.agent
    results, size = [], 0
    for task_id in query.task_ids:
        task = found.get((tenant_id, task_id))
        try:
            check_task(task_id, agent_id, task.agent_id if task else None, exists=task is not None)
        except FlovynError as error:
            return error
        assert task is not None
        results.append(task)
        size += len(task.output or "")
    if size > RESULT_BYTES:
        return LimitExceeded(f"the outputs of these tasks take {size} bytes; ask for fewer tasks at a time")
    return results
