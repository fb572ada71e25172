"""Families of commands: what each family must say about its commands, and the draft that they fill.

A family is a module of this package: its commands, the rows that they need to know, the events and effects that they
cause, and the statements that write these. ``server.engine.submission.families`` lists all families.

Workers send commands again: after a lost answer, after a replay of an empty history, or because they were presumed
dead. So a family looks up which rows exist, and a command that was carried out before changes nothing.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

from core.connection import DatabaseConnection
from core.payload import Json
from server.domain.effects import Effects
from server.domain.submission import Command
from server.domain.workflow import WorkflowState
from server.domain.workflow_event import EventType, NewEvent
from server.engine.dispatch.wakeups import Waker
from server.engine.schedules.next_due import Expected
from server.engine.tasks.claims import TaskDispatch
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey

Key = TypeVar("Key")
Value = TypeVar("Value")
Item = TypeVar("Item")

Located = tuple[UUID, UUID, Any]
"""Tenant, workflow, and a command of it."""


@dataclass(frozen=True, slots=True)
class AfterCommit:
    """The services that a family may call about its effects after the commit."""

    wake: Waker
    expected: Expected


@dataclass(frozen=True, slots=True, eq=False)
class EffectKind(Generic[Item]):
    """One kind of effect.

    Attributes:
        write: writes the effects of a whole batch, in the transaction that has locked the workflows.
        committed: is called after the commit with the effects of one submission; None if nothing is to be done.
        assign: reserves parked pollers for the effects of a whole batch, before they are written; None for effects that
            are no tasks.
    """

    write: Callable[[DatabaseConnection, Repositories, Sequence[Item]], Awaitable[None]]
    committed: Callable[[Sequence[Item], AfterCommit], None] | None = None
    assign: Callable[[Sequence[Item], TaskDispatch], Sequence[Item]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Family(Generic[Key, Value]):
    """A family of commands.

    Attributes:
        handlers: the function of each type of command; it fills a draft.
        effects: the kinds of effects, in the order in which they are written.
        look_up: returns the existing rows that commands name; None if the family needs to know none.
        looked_up: the types of commands whose rows are looked up.
        end: clears up the rows of ended workflows; None if there is nothing to clear up.
    """

    handlers: Mapping[type[Command], Callable[[Draft, Any], None]] = field(default_factory=dict)
    effects: tuple[EffectKind[Any], ...] = ()
    look_up: Callable[[DatabaseConnection, Repositories, Sequence[Located]], Awaitable[dict[Key, Value]]] | None = None
    looked_up: tuple[type[Command], ...] = ()
    end: Callable[[DatabaseConnection, Repositories, Sequence[WorkflowState]], Awaitable[None]] | None = None


class Known:
    """The rows that exist of those that the commands of a batch name, by family.

    The rows that the batch itself creates are added, so that later commands of the batch find them.
    """

    __slots__ = ("_by_family",)

    def __init__(self) -> None:
        self._by_family: dict[Family[Any, Any], dict[Any, Any]] = {}

    def set(self, family: Family[Key, Value], rows: dict[Key, Value]) -> None:
        """Set the rows of a family, as they were looked up."""
        self._by_family[family] = rows

    def of(self, family: Family[Key, Value]) -> dict[Key, Value]:
        """Return the rows of a family."""
        return self._by_family.setdefault(family, {})


class Draft:
    """The events and effects of one submission, before it is decided that they are applied."""

    __slots__ = ("_known", "_layers", "effects", "events", "must_see", "repeats", "state")

    def __init__(self, state: WorkflowState, known: Known) -> None:
        self.state = state
        self.events: list[NewEvent] = []
        self.effects = Effects()
        self.must_see = False
        """Whether the worker does not know the last event: a suspension must not wait, but go on with it."""
        self.repeats = False
        """Whether a command begins what an earlier submission began: the worker goes on from an older history."""
        self._known = known
        self._layers: dict[Family[Any, Any], ChainMap[Any, Any]] = {}

    def event(self, event_type: EventType, data: Json) -> None:
        """Add an event."""
        self.events.append(NewEvent(event_type, data))

    def effect(self, kind: EffectKind[Item], item: Item) -> None:
        """Add an effect."""
        self.effects.add(kind, item)

    def known(self, family: Family[Key, Value]) -> MutableMapping[Key, Value]:
        """Return the known rows of a family; rows that are added stay in this draft until it is applied."""
        layer = self._layers.get(family)
        if layer is None:
            layer = self._layers[family] = ChainMap({}, self._known.of(family))
        return layer

    def skip(self, family: Family[Key, Value], key: Key) -> None:
        """Leave out a command whose row exists; it counts as a repetition unless this draft has added the row."""
        layer = self._layers.get(family)
        self.repeats = self.repeats or layer is None or key not in layer.maps[0]

    def apply(self) -> None:
        """Make the rows of this draft known to the later submissions of the batch."""
        for family, layer in self._layers.items():
            self._known.of(family).update(layer.maps[0])


def workflow_keys(states: Sequence[WorkflowState]) -> list[WorkflowKey]:
    """Return tenant and id of each workflow."""
    return [(state.tenant_id, state.id) for state in states]
