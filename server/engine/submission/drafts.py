"""What a submission's commands build up, before anything is written: events, effects, and what is known by then.

Workers send commands again: after a lost reply, after replaying an empty history, or because they were presumed
dead. So whatever a command creates is looked up first, and what this batch creates counts as known for what follows.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID

from core.payload import Json
from server.domain.effects import Effects
from server.domain.promise import NewPromise, PromiseOutcome, Settlement
from server.domain.task import NewTask
from server.domain.timer import NewTimer, TimerKey
from server.domain.workflow import NewWorkflow, WorkflowState
from server.domain.workflow_event import EventType, NewEvent

Key = TypeVar("Key")
Value = TypeVar("Value")


WorkflowKey = tuple[UUID, UUID]
"""Tenant and run."""

TaskKey = tuple[UUID, UUID]
"""Tenant and task."""


@dataclass(frozen=True, slots=True)
class KnownPromise:
    """A promise of a workflow, and whether it is pending."""

    id: UUID
    name: str
    pending: bool = True


@dataclass(slots=True)
class Known:
    """What exists already of what a batch's commands name.

    Attributes:
        timers: whether each timer is still to fire.
        promises: of each workflow, those that it names and has, the oldest first.
        tasks: run and kind of each task.
        children: the parent of each workflow that a command would create.
    """

    timers: MutableMapping[TimerKey, bool] = field(default_factory=dict)
    promises: MutableMapping[WorkflowKey, tuple[KnownPromise, ...]] = field(default_factory=dict)
    tasks: MutableMapping[TaskKey, tuple[UUID | None, str]] = field(default_factory=dict)
    children: MutableMapping[WorkflowKey, UUID | None] = field(default_factory=dict)

    def layer(self) -> Known:
        """Return a view that can be added to without changing this one."""
        return Known(*(ChainMap({}, each) for each in (self.timers, self.promises, self.tasks, self.children)))

    def absorb(self, layer: Known) -> None:
        """Take over what was added to a ``layer`` of this."""
        self.timers.update(_added(layer.timers))
        self.promises.update(_added(layer.promises))
        self.tasks.update(_added(layer.tasks))
        self.children.update(_added(layer.children))


class Draft:
    """The events and effects of one submission in the making."""

    def __init__(self, state: WorkflowState, known: Known) -> None:
        """Start with nothing."""
        self.state = state
        self.known = known.layer()
        self.events: list[NewEvent] = []
        self.effects = Effects()
        self.must_see = False
        """Whether the last event is news to the worker, so that a suspension must not sleep through it."""
        self.repeats = False
        """Whether a command begins what an earlier submission began: the worker goes on from an older history."""

    def event(self, event_type: EventType, data: Json) -> None:
        """Add an event."""
        self.events.append(NewEvent(event_type, data))

    def skip(self, known: MutableMapping[Key, Value], key: Key) -> None:
        """Leave out a command because there is already what it begins."""
        self.repeats = self.repeats or key not in _added(known)

    def timer_key(self, timer_id: str) -> TimerKey:
        """Return what a timer of this workflow is known by."""
        return (self.state.tenant_id, self.state.id, timer_id)

    def start_timer(self, timer: NewTimer) -> None:
        """Add a timer."""
        self.known.timers[timer.key] = True
        self.effects.timers.append(timer)

    def cancel_timer(self, key: TimerKey) -> None:
        """Add the cancellation of a timer that has not fired."""
        self.known.timers[key] = False
        self.effects.cancelled_timers.append(key)

    def schedule_task(self, task: NewTask) -> None:
        """Add a task."""
        self.known.tasks[task.tenant_id, task.id] = (task.workflow_execution_id, task.kind)
        self.effects.tasks.append(task)

    def schedule_child(self, workflow: NewWorkflow) -> None:
        """Add a child."""
        self.known.children[workflow.tenant_id, workflow.id] = workflow.parent_id
        self.effects.children.append(workflow)

    def create_promise(self, promise: NewPromise) -> None:
        """Add a promise."""
        self._promises = (*self._promises, KnownPromise(promise.id, promise.name))
        self.effects.promises.append(promise)

    def pending_promise(self, reference: str) -> KnownPromise | None:
        """Return the pending promise of this workflow that has this id or name, the oldest of those."""
        for promise in self._promises:
            if promise.pending and reference in {promise.name, str(promise.id)}:
                return promise
        return None

    def settle_promise(self, promise: KnownPromise, outcome: PromiseOutcome) -> None:
        """Add the settlement of a pending promise."""
        self._promises = tuple(replace(each, pending=each.pending and each != promise) for each in self._promises)
        self.effects.settlements.append(Settlement(self.state.tenant_id, promise.id, outcome))

    @property
    def _promises(self) -> tuple[KnownPromise, ...]:
        return self.known.promises.get((self.state.tenant_id, self.state.id), ())

    @_promises.setter
    def _promises(self, promises: tuple[KnownPromise, ...]) -> None:
        self.known.promises[self.state.tenant_id, self.state.id] = promises


def _added(layered: MutableMapping[Key, Value]) -> MutableMapping[Key, Value]:
    assert isinstance(layered, ChainMap)
    return layered.maps[0]
