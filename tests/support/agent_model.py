"""A small model of agents: the state that each must have after any sequence of calls.

Conditions are evaluated after every call for all WAITING agents, from their definition alone: the model knows nothing
of the places in the engine that wake agents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from server.domain.agent import MOST_LOST_CLAIMS, Wait, WaitKind

ENDS = ("COMPLETED", "FAILED", "CANCELLED")


@dataclass
class Task:
    """The state that a task of an agent must have; ``ended_in`` is the activation of its agent in which it ended."""

    id: UUID
    owner: Agent
    status: str = "PENDING"
    ended_in: int | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDS

    def end(self, status: str) -> None:
        """End it."""
        self.status, self.ended_in = status, self.owner.claims


@dataclass
class Signal:
    """A signal that is not consumed for good; ``sender`` is the child that sent it."""

    name: str
    value: int
    sender: UUID | None = None
    provisional: bool = False


@dataclass(eq=False)
class Agent:
    """The state that an agent must have."""

    id: UUID
    parent: Agent | None = None
    status: str = "PENDING"
    claims: int = 0
    checkpoints: int = 0
    lost: int = 0
    wait: Wait | None = None
    joined: tuple[UUID, ...] = ()
    tasks: dict[UUID, Task] = field(default_factory=dict)
    children: list[Agent] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    cascades: bool = False

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDS

    @property
    def refuses(self) -> bool:
        """Whether its code must stop: it has ended, or was cancelled."""
        return self.over or self.status == "CANCELLING"

    @property
    def open_signals(self) -> list[Signal]:
        """The signals that nothing has consumed."""
        return [signal for signal in self.signals if not signal.provisional]

    def is_met(self) -> bool:
        """Return whether the condition of the suspended agent is met."""
        assert self.wait is not None
        ids = self.wait.ids
        match self.wait.kind:
            case WaitKind.SIGNAL:
                return any(signal.name == self.wait.name for signal in self.open_signals)
            case WaitKind.TASKS_ALL:
                return all(self.tasks[each].over for each in ids)
            case WaitKind.TASKS_ANY:
                tasks = [self.tasks[each] for each in ids]
                return any(task.ended_in == self.claims for task in tasks) or all(task.over for task in tasks)
        children = {child.id: child for child in self.children}
        if self.wait.kind is WaitKind.ALL_CHILDREN:
            return all(children[each].over for each in ids)
        return any(children[each].over for each in ids) or any(signal.sender in ids for signal in self.open_signals)

    def claim(self) -> None:
        """Begin an activation."""
        self.status, self.claims = "RUNNING", self.claims + 1

    def checkpoint(self) -> None:
        """Submit a checkpoint: signals that were consumed are gone for good."""
        self.checkpoints, self.lost = self.checkpoints + 1, 0
        self._keep()

    def suspend(self, wait: Wait) -> None:
        """Suspend it."""
        if self.status == "PENDING":
            return
        if self.status == "CANCELLING":
            self.end("CANCELLED")
            return
        self.status, self.wait, self.lost = "WAITING", wait, 0
        self.joined = wait.ids if wait.kind is WaitKind.ALL_CHILDREN else ()
        self._keep()

    def lose(self) -> None:
        """Lose the activation: signals that it consumed since its last checkpoint come again."""
        if self.status == "CANCELLING":
            self.end("CANCELLED")
        elif self.status == "RUNNING":
            for signal in self.signals:
                signal.provisional = False
            self.lost += 1
            if self.lost >= MOST_LOST_CLAIMS:
                self.end("FAILED")
            else:
                self.status = "PENDING"

    def fail(self) -> None:
        """Fail it."""
        if self.status == "CANCELLING":
            self.end("CANCELLED")
        elif not self.over:
            self.end("FAILED")

    def cancel(self) -> str:
        """Cancel it with its descendants; return the answer."""
        if self.over:
            return "CANCELLED" if self.status == "CANCELLED" else "ALREADY_TERMINAL"
        self.cascades = True
        if self.status in ("RUNNING", "CANCELLING"):
            self.status = "CANCELLING"
            return "CANCELLING"
        self.end("CANCELLED")
        return "CANCELLED"

    def end(self, status: str) -> None:
        """End it; a cancelled one takes its open tasks and its children with it."""
        self.status, self.wait = status, None
        self._keep()
        if status == "CANCELLED":
            for task in self.tasks.values():
                if not task.over:
                    task.end("CANCELLED")
            for child in self.children if self.cascades else ():
                child.cancel()

    def _keep(self) -> None:
        self.signals = self.open_signals


def settle(agents: Sequence[Agent]) -> None:
    """Wake every agent whose condition is met."""
    for agent in agents:
        if agent.status == "WAITING" and agent.is_met():
            agent.status, agent.wait = "PENDING", None


def tasks_of(agents: Sequence[Agent]) -> list[Task]:
    """Return the tasks of agents."""
    return [task for agent in agents for task in agent.tasks.values()]
