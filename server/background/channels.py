"""Dispatches notifications: wake-ups, nudges, stream chunks, free locks and announcements of the leader."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from server.database.exclusive import FREE, AdvisoryLocks
from server.database.leadership import BEAT, Leadership
from server.database.notifications import NUDGE, STREAM, WAKE
from server.engine.dispatch.wakeups import Wake, parse_announcement, parse_nudge
from server.engine.engine import Engine


def channels(engine: Engine, locks: AdvisoryLocks, leadership: Leadership) -> Mapping[str, Callable[[str], None]]:
    """Return the function for the payloads of each channel; see ``server.database.notifications``."""

    def work(payload: str) -> None:
        category, key, kind = parse_announcement(payload)
        engine.wakeups[category].wake(key, kind, Wake.NUDGE)  # one announcement stands for any amount of work

    def nudge(payload: str) -> None:
        category, key = parse_nudge(payload)
        engine.wakeups[category].nudge(key)

    def free(name: str) -> None:
        locks.freed(name)
        leadership.freed(name)

    return {WAKE: work, NUDGE: nudge, STREAM: engine.streams.received, FREE: free, BEAT: leadership.heard}
