"""The effects of a submission: new and changed rows of other tables, written in the same transaction as its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from server.domain.cancellation import ChildCancellation
from server.domain.idempotency import KeyClaim
from server.domain.promise import NewPromise, Settlement
from server.domain.task import NewTask
from server.domain.timer import NewTimer, TimerKey
from server.domain.workflow import NewWorkflow


@dataclass(slots=True)
class Effects:
    """The effects of one submission or of a whole batch, each list in the order of the commands."""

    timers: list[NewTimer] = field(default_factory=list)
    cancelled_timers: list[TimerKey] = field(default_factory=list)
    promises: list[NewPromise] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    claims: list[KeyClaim] = field(default_factory=list)
    tasks: list[NewTask] = field(default_factory=list)
    children: list[NewWorkflow] = field(default_factory=list)
    cancelled_children: list[ChildCancellation] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Return whether there is a row to write."""
        return any(getattr(self, each.name) for each in fields(self))

    @staticmethod
    def gather(all_effects: Iterable[Effects]) -> Effects:
        """Return the effects of a whole batch, so that each kind of effect needs one statement."""
        gathered = Effects()
        for effects in all_effects:
            for each in fields(Effects):
                target: list[Any] = getattr(gathered, each.name)
                target.extend(getattr(effects, each.name))
        return gathered
