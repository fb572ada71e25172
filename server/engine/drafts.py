"""What a submission's commands build up, before anything is written: events, effects, and what is known by then.

Workers send commands again: after a lost reply, after replaying an empty history, or because they were presumed
dead. So whatever a command creates is looked up first, and what this batch creates counts as known for what follows.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import TypeVar

from core.domain.effects import Effects
from core.domain.payload import Json
from core.domain.timer import NewTimer, TimerKey
from core.domain.workflow import EventType, NewEvent, RunState

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(slots=True)
class Known:
    """What exists already of what a batch's commands name.

    Attributes:
        timers: whether each timer is still to fire.
    """

    timers: MutableMapping[TimerKey, bool] = field(default_factory=dict)

    def layer(self) -> Known:
        """Return a view that can be added to without changing this one."""
        return Known(ChainMap({}, self.timers))

    def absorb(self, layer: Known) -> None:
        """Take over what was added to a ``layer`` of this."""
        self.timers.update(_added(layer.timers))


class Draft:
    """The events and effects of one submission in the making."""

    def __init__(self, state: RunState, known: Known) -> None:
        """Start with nothing."""
        self.state = state
        self.known = known.layer()
        self.events: list[NewEvent] = []
        self.effects = Effects()

    def event(self, event_type: EventType, data: Json) -> None:
        """Add an event."""
        self.events.append(NewEvent(event_type, data))

    def timer_key(self, timer_id: str) -> TimerKey:
        """Return what a timer of this run is known by."""
        return (self.state.tenant_id, self.state.id, timer_id)

    def start_timer(self, timer: NewTimer) -> None:
        """Add a timer."""
        self.known.timers[timer.key] = True
        self.effects.timers.append(timer)

    def cancel_timer(self, key: TimerKey) -> None:
        """Add the cancellation of a timer that has not fired."""
        self.known.timers[key] = False
        self.effects.cancelled_timers.append(key)


def _added(layered: MutableMapping[Key, Value]) -> MutableMapping[Key, Value]:
    assert isinstance(layered, ChainMap)
    return layered.maps[0]
