"""Agents against a small model, driven by Hypothesis: whatever happens in whatever order, both agree.

After each call, no agent is WAITING with a met condition, and none has more activations than the model counts: no wait
spins. Many calls are sent twice, as after a lost answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar
from uuid import UUID, uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from core.errors import FlovynError, WrongState
from core.launchers import DEFAULT_QUEUE, AgentLaunch
from core.payload import Json
from server.domain.agent import Failure, NewAgent, PersistenceMode, Wait, WaitKind
from server.domain.claim import Claim
from server.domain.task import NewTask, TaskOutcome, TaskReport, TaskSlot
from server.domain.workflow import PollSlot
from server.engine.agents.activations import CompleteCall, FailCall, SubmitCheckpointCall, SuspendCall
from server.engine.agents.cancellation import ReclaimCall
from server.engine.agents.children import PollChildEventsCall, SpawnChildCall
from server.engine.agents.signals import ConsumeSignalsCall, SendParentSignalCall, SendSignalCall
from server.engine.agents.tasks import ResultsQuery, ScheduleTaskCall
from tests.support.agent_model import Agent, Signal, Task, settle, tasks_of
from tests.support.engine_rig import Rig
from tests.support.repetitions import times

ONE = Json("1")
MOST_OPEN = 3
"""Agents are started while fewer are open."""

NAMES = ("s", "t")
REPORTS = (TaskOutcome.COMPLETED, TaskOutcome.FAILED, TaskOutcome.CANCELLED)
ACTS = ("schedule", "schedule", "schedule", "spawn", "consume", "checkpoint")
CALLS = (
    *["start"] * 2,
    *["activate"] * 8,
    *["report"] * 5,
    *["signal"] * 4,
    *["poll_task"] * 2,
    *["poll", "checkpoint", "schedule", "suspend", "signal_parent", "consume", "child_events", "spawn", "cancel_task"],
    *["results", "lose", "end"],
)
"""The calls, the more important ones several times."""

ENDED = {TaskOutcome.COMPLETED: "COMPLETED", TaskOutcome.FAILED: "FAILED", TaskOutcome.CANCELLED: "CANCELLED"}

AGENTS = """
    SELECT id, status, claim_number, checkpoint_seq, lost_claims, signal_count
    FROM agent_execution WHERE tenant_id = %(tenant)s"""
TASKS = "SELECT id, agent_execution_id, status, ended_in_claim FROM task_execution WHERE tenant_id = %(tenant)s"
SIGNALS = """
    SELECT agent_execution_id, name, value::text::integer, sender_id FROM agent_signal
    WHERE tenant_id = %(tenant)s AND consumed_at IS NULL ORDER BY number"""


class AgentMachine(RuleBasedStateMachine):
    """Clients, workers and losses, one after the other."""

    rig: ClassVar[Rig]

    def __init__(self) -> None:
        super().__init__()
        self.tenant = uuid4()
        self.rig.rows(
            "INSERT INTO tenant (id, slug, name) VALUES (%(tenant)s, %(tenant)s::text, 'T') RETURNING 1", self.tenant
        )
        self.agents: list[Agent] = []
        self.sent = 0

    def _do(self, make: Callable[[], Awaitable[Any]], *, again: bool = False) -> Any:
        """Make a call, and once more if ``again``; return the first answer, or the error."""
        answers = []
        for _ in range(1 + again):
            try:
                answers.append(self.rig.do(make()))
            except FlovynError as error:
                answers.append(error)
        self.rig.do(self.rig.engine.agents.cancellation.close())  # children are cancelled in the background
        return answers[0]

    def _submit(self, call: Any, *, again: bool = False) -> Any:
        return self._do(lambda: self.rig.engine.agents.submit(call), again=again)

    def _any(self, data: st.DataObject) -> Agent:
        """Draw an agent; mostly an open one."""
        still_open = [agent for agent in self.agents if not agent.over]
        return data.draw(st.sampled_from(still_open * 4 + self.agents))

    def _any_task(self, data: st.DataObject) -> Task | None:
        """Draw a task; mostly an open one of an agent that waits."""
        tasks = tasks_of(self.agents)
        if not tasks:
            return None
        awaited = [task for task in tasks if not task.over and task.owner.status == "WAITING"]
        return data.draw(st.sampled_from(awaited * 6 + tasks))

    def _refused(self, answer: Any, agent: Agent) -> bool:
        """Return whether a call of the agent's code was refused, which it must be exactly for an agent that stops."""
        assert isinstance(answer, WrongState) == agent.refuses, answer
        return agent.refuses

    @rule(data=st.data(), name=st.sampled_from(CALLS))
    def call(self, data: st.DataObject, name: str) -> None:
        """Make one call. A rule for each would leave out some of them in each example."""
        if not self.agents:
            self.start(data)
        getattr(self, name)(data)

    def start(self, _data: st.DataObject) -> None:
        """Start an agent, unless enough are open."""
        if sum(not agent.over for agent in self.agents) >= MOST_OPEN:
            return
        launched = self.rig.do(self.rig.engine.agents.start(AgentLaunch(self.tenant, "k", input=ONE)))
        self.agents.append(Agent(launched.id))

    def _poll(self) -> Agent | None:
        """Poll for an agent: there is one exactly when one is pending."""
        claimed = self._do(lambda: self.rig.engine.agents.poll(PollSlot(self.tenant, DEFAULT_QUEUE, Claim("w")), 0))
        pending = {agent.id: agent for agent in self.agents if agent.status == "PENDING"}
        assert (claimed is not None) == bool(pending)
        if claimed is None:
            return None
        agent = pending[claimed.id]
        assert claimed.checkpoint_seq == agent.checkpoints
        agent.claim()
        return agent

    def poll(self, _data: st.DataObject) -> None:
        """Claim an agent and do no more."""
        self._poll()

    def activate(self, data: st.DataObject) -> None:
        """Run an activation that ends with a suspension, or is lost."""
        acts = data.draw(st.lists(st.sampled_from(ACTS), max_size=5))
        agent = self._poll()
        if agent is None:
            return
        for act in acts:
            if act == "schedule":
                self._schedule(agent, data.draw(st.integers(0, 3)), 0, again=False)
            elif act == "spawn":
                self._spawn(agent)
            elif act == "consume":
                self._consume(agent, data.draw(st.sampled_from((*NAMES, None))))
            else:
                self._checkpoint(agent)
        if data.draw(st.integers(0, 4)) == 0:
            self._lose(agent, again=data.draw(st.booleans()))
            return
        kinds = [WaitKind.SIGNAL, *[WaitKind.TASKS_ALL, WaitKind.TASKS_ANY] * 2 * bool(agent.tasks)]
        kinds += [WaitKind.ANY_CHILD, WaitKind.ALL_CHILDREN] * 2 * bool(agent.children)
        self._suspend(data, agent, data.draw(st.sampled_from(kinds)), "s", again=data.draw(st.booleans()))

    def checkpoint(self, data: st.DataObject) -> None:
        """Submit a checkpoint; a suspended agent may have a worker that does not know it."""
        self._checkpoint(self._any(data))

    def _checkpoint(self, agent: Agent) -> None:
        if not self._refused(self._submit(SubmitCheckpointCall(self.tenant, agent.id, None, ONE, None)), agent):
            agent.checkpoint()

    def schedule(self, data: st.DataObject) -> None:
        """Schedule one of four tasks; a known one is found, whatever its state."""
        numbers = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 1))
        self._schedule(self._any(data), *numbers, again=data.draw(st.booleans()))

    def _schedule(self, agent: Agent, number: int, retries: int, *, again: bool) -> None:
        task_id = UUID(int=(agent.id.int ^ (number + 1)))
        task = NewTask(
            tenant_id=self.tenant,
            id=task_id,
            workflow_execution_id=None,
            kind="t",
            queue="",
            input=ONE,
            max_retries=retries,
            timeout_ms=None,
            metadata={},
            agent_execution_id=agent.id,
        )
        answer = self._submit(ScheduleTaskCall(self.tenant, agent.id, task, has_queue=False), again=again)
        if not self._refused(answer, agent):
            assert answer.is_new == (task_id not in agent.tasks)
            agent.tasks.setdefault(task_id, Task(task_id, agent))

    def suspend(self, data: st.DataObject) -> None:
        """Suspend an agent, with any of its tasks or children in the condition."""
        kind, name = data.draw(st.sampled_from(WaitKind)), data.draw(st.sampled_from(NAMES))
        self._suspend(data, self._any(data), kind, name, again=data.draw(st.booleans()))

    def _suspend(self, data: st.DataObject, agent: Agent, kind: WaitKind, name: str, *, again: bool) -> None:
        ids: tuple[UUID, ...] = ()
        if kind is not WaitKind.SIGNAL:
            known = list(agent.tasks) if kind.concerns_tasks else [child.id for child in agent.children]
            if not known:
                return
            ids = tuple(data.draw(st.lists(st.sampled_from(known), min_size=1, unique=True)))
        wait = Wait(kind, name if kind is WaitKind.SIGNAL else None, ids)
        answer = self._submit(SuspendCall(self.tenant, agent.id, wait), again=again)
        assert isinstance(answer, WrongState) == agent.over
        if not agent.over:
            agent.suspend(wait)
            settle(self.agents)

    def signal(self, data: st.DataObject) -> None:
        """Send a signal; the answer tells whether it released the agent."""
        agent, self.sent, name = self._any(data), self.sent + 1, data.draw(st.sampled_from(NAMES))
        answer = self._submit(SendSignalCall(self.tenant, agent.id, name, Json(str(self.sent))))
        assert isinstance(answer, WrongState) == agent.over
        if not agent.over:
            was = agent.status
            agent.signals.append(Signal(name, self.sent))
            settle(self.agents)
            assert answer.resumed == (was == "WAITING" and agent.status == "PENDING")

    def signal_parent(self, data: st.DataObject) -> None:
        """Send a signal from a child to its parent."""
        child, name = self._any(data), data.draw(st.sampled_from(NAMES))
        if child.parent is None:
            return
        self.sent += 1
        answer = self._submit(SendParentSignalCall(self.tenant, child.id, name, Json(str(self.sent))))
        assert answer is not child.parent.over
        if not child.parent.over:
            child.parent.signals.append(Signal(name, self.sent, sender=child.id))
            settle(self.agents)

    def consume(self, data: st.DataObject) -> None:
        """Consume the oldest signal of a name, or all."""
        self._consume(self._any(data), data.draw(st.sampled_from((*NAMES, None))))

    def _consume(self, agent: Agent, name: str | None) -> None:
        answer = self._submit(ConsumeSignalsCall(self.tenant, agent.id, name, None))
        if self._refused(answer, agent):
            return
        found = [signal for signal in agent.open_signals if name in (None, signal.name)]
        found = found if name is None else found[:1]
        assert [(signal.name, int(signal.value)) for signal in answer] == [(each.name, each.value) for each in found]
        for each in found:
            each.provisional = True

    def child_events(self, data: st.DataObject) -> None:
        """Ask for events: all ends, or else the oldest signal, or else the ends so far."""
        parent = self._any(data)
        if not parent.children:
            return
        ids = tuple(child.id for child in parent.children)
        answer = self._submit(PollChildEventsCall(self.tenant, parent.id, ids))
        ended = [child.id for child in parent.children if child.over]
        signals = [signal for signal in parent.open_signals if signal.sender in ids]
        if signals and len(ended) < len(ids) and set(parent.joined) != set(ids):
            signals[0].provisional = True
            assert [(event.child_id, int(event.signal.value)) for event in answer] == [
                (signals[0].sender, signals[0].value)
            ]
        else:
            assert sorted(event.child_id for event in answer) == sorted(ended)

    def spawn(self, data: st.DataObject) -> None:
        """Spawn a child; each call makes one more."""
        self._spawn(self._any(data))

    def _spawn(self, parent: Agent) -> None:
        child = NewAgent(self.tenant, uuid4(), "k", DEFAULT_QUEUE, ONE, PersistenceMode.REMOTE, Json("{}"))
        call = SpawnChildCall(self.tenant, parent.id, child, has_queue=False, most_children=3, greatest_depth=3)
        depth, above = 0, parent.parent
        while above is not None:
            depth, above = depth + 1, above.parent
        is_full = sum(not each.over for each in parent.children) >= call.most_children or depth >= call.greatest_depth
        answer = self._submit(call)
        if is_full and not parent.refuses:
            assert isinstance(answer, FlovynError)
        elif not self._refused(answer, parent):
            made = Agent(child.id, parent)
            parent.children.append(made)
            self.agents.append(made)

    def poll_task(self, _data: st.DataObject) -> None:
        """Poll for a task; there is one exactly when one is pending."""
        claimed = self._do(lambda: self.rig.engine.tasks.poll(TaskSlot(self.tenant, DEFAULT_QUEUE, Claim("w")), 0))
        pending = {task.id: task for task in tasks_of(self.agents) if task.status == "PENDING"}
        assert (claimed is not None) == bool(pending)
        if claimed is not None:
            pending[claimed.id].status = "RUNNING"

    def report(self, data: st.DataObject) -> None:
        """Complete, fail or cancel any task; the database tells whether a failure was the last attempt."""
        task, outcome, again = self._any_task(data), data.draw(st.sampled_from(REPORTS)), data.draw(st.booleans())
        if task is None:
            return
        report = TaskReport(self.tenant, task.id, outcome, output=ONE, error="boom")
        self._do(lambda: self.rig.engine.tasks.report(report), again=again)
        [status] = [row[2] for row in self.rig.rows(TASKS, self.tenant) if row[0] == task.id]
        if task.over:
            assert status == task.status
        elif status in ENDED.values():
            assert status == ENDED[outcome]
            task.end(status)
        else:
            task.status = status
        settle(self.agents)

    def cancel_task(self, data: st.DataObject) -> None:
        """Cancel a task by its agent; the answer tells whether this call did."""
        task, again = self._any_task(data), data.draw(st.booleans())
        if task is None:
            return
        key = (self.tenant, task.owner.id)
        answer = self._do(lambda: self.rig.engine.agents.tasks.cancel(key, task.id, "lost"), again=again)
        assert answer.cancelled != task.over
        if not task.over:
            task.end("CANCELLED")
        assert answer.status == task.status
        settle(self.agents)

    def results(self, data: st.DataObject) -> None:
        """Ask for results: one for each id, in the order of the request, repetitions included."""
        agent = self._any(data)
        if not agent.tasks:
            return
        ids = tuple(data.draw(st.lists(st.sampled_from(list(agent.tasks)), min_size=1, max_size=6)))
        query = ResultsQuery((self.tenant, agent.id), ids)
        answer = self._do(lambda: self.rig.engine.agents.tasks.results(query))
        if agent.status in ("CANCELLING", "CANCELLED"):
            assert isinstance(answer, WrongState)
        else:
            assert [(task.id, task.status) for task in answer] == [(each, agent.tasks[each].status) for each in ids]

    def end(self, data: st.DataObject) -> None:
        """End any agent.

        A suspended one may complete. It refuses to fail, because its worker may only have missed an answer.
        """
        agent, again = self._any(data), data.draw(st.booleans())
        end = data.draw(st.sampled_from(("complete", "fail", "cancel")))
        if end == "complete":
            self._submit(CompleteCall(self.tenant, agent.id, ONE), again=again)
            if not agent.over:
                agent.end("COMPLETED")
        elif end == "fail":
            call = FailCall(self.tenant, agent.id, Failure("boom"), is_unreachable=False)
            answer = self._submit(call, again=again)
            assert isinstance(answer, WrongState) == (agent.status in ("PENDING", "WAITING"))
            if agent.status in ("RUNNING", "CANCELLING"):
                agent.fail()
        elif end == "cancel":
            key = (self.tenant, agent.id)
            answer = self._do(lambda: self.rig.engine.agents.cancel(key, "enough", cascades=True), again=again)
            assert answer == agent.cancel()
        settle(self.agents)

    def lose(self, data: st.DataObject) -> None:
        """Lose the present activation of an agent, if it has one."""
        self._lose(self._any(data), again=data.draw(st.booleans()))

    def _lose(self, agent: Agent, *, again: bool) -> None:
        self._submit(ReclaimCall(self.tenant, agent.id, agent.claims, "lost"), again=again)
        agent.lose()
        settle(self.agents)

    @invariant()
    def agrees(self) -> None:
        """The database holds what the model says, after each call."""
        assert set(self.rig.rows(AGENTS, self.tenant)) == {
            (each.id, each.status, each.claims, each.checkpoints, each.lost, len(each.open_signals))
            for each in self.agents
        }
        assert set(self.rig.rows(TASKS, self.tenant)) == {
            (task.id, task.owner.id, task.status, task.ended_in) for task in tasks_of(self.agents)
        }
        found = self.rig.rows(SIGNALS, self.tenant)
        for agent in self.agents:
            of_agent = [(name, value, sender) for owner, name, value, sender in found if owner == agent.id]
            assert of_agent == [(each.name, each.value, each.sender) for each in agent.open_signals]
            assert agent.status != "WAITING" or not agent.is_met()


def test_agents_do_what_the_model_does(database: str) -> None:
    """Random sequences of calls leave the database as the model has it, after each single call."""
    rig = AgentMachine.rig = Rig(database)
    limits = settings(
        max_examples=times(20, 400),
        stateful_step_count=times(80, 100),
        deadline=None,
        database=None,
        derandomize=times(1, 0) == 1,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(AgentMachine, settings=limits)
    finally:
        rig.close()
