"""Counts refusals of unknown callers, so that they cannot fill a disk, at whatever rate they come.

In each minute, the first refusal of a source is an event of its own, and one more event says how many followed. A
number of sources are told apart in a minute; all others are counted together. Processes count for themselves: the sum
over their events is the number of refusals.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from core.auth.failure_limit import source
from core.calls import Call, Outcome
from plugins.audit_log.domain import EventDraft, Kind
from plugins.audit_log.drafts import clean, draft_of

MINUTE_S: Final = 60.0

OTHERS: Final = "other"
"""The source of refusals that are counted together."""


@dataclass(slots=True)
class _Following:
    """The refusals of a source after its first: how many, and the last of them."""

    times: int = 0
    last: tuple[Call, Outcome] | None = None


class Refusals:
    """The counts of the minute that is under way."""

    def __init__(self, sources: int, *, with_peer: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = sources
        self._with_peer = with_peer
        self._monotonic = monotonic
        self._began = monotonic()
        self._following: dict[str, _Following] = {}

    def is_first(self, call: Call, outcome: Outcome) -> bool:
        """Count a refusal; return whether it is the first of its source, which is an event of its own."""
        name = source(call.peer)
        if name not in self._following and len(self._following) >= self._most:
            name = OTHERS
        following = self._following.get(name)
        if following is None:
            self._following[name] = _Following()
            return True
        following.times += 1
        following.last = (call, outcome)
        return False

    def sums(self, *, at_once: bool = False) -> list[EventDraft]:
        """Return the events of a minute that is over, or of the part of it that has passed, and begin the next."""
        now = self._monotonic()
        if now - self._began < MINUTE_S and not at_once:
            return []
        self._began = now
        over, self._following = self._following, {}
        return [self._sum(name, each.times, *each.last) for name, each in over.items() if each.last is not None]

    def _sum(self, name: str, times: int, call: Call, outcome: Outcome) -> EventDraft:
        last = draft_of(call, outcome, Kind.CALL, with_peer=False)
        peer = clean(name) if self._with_peer and name else None
        return replace(last, call_id=uuid4(), resource_id=None, peer=peer, duration_us=None, times=times)
