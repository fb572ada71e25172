"""Warns of histories that grow towards what clients can still receive; each run once per process."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from core.domain.workflow_event import Event
from server.storage.workflows import RunKey

WARN_BYTES = 3 * 1024 * 1024
"""Clients refuse an answer of more than 4 MiB, and with it the run's whole history."""

REMEMBERED = 10_000
"""Runs that were warned of; beyond so many they are forgotten and warned of anew."""

_log = logging.getLogger(__name__)


class HistorySizes:
    """Looks at histories on their way to workers and clients."""

    def __init__(self) -> None:
        """Start without warnings."""
        self._warned: set[RunKey] = set()

    def look(self, key: RunKey, events: Sequence[Event]) -> None:
        """Warn when a history is large, unless that was said before."""
        size = sum(len(event.data) for event in events)  # in characters: near enough, and without encoding anything
        if size < WARN_BYTES or key in self._warned:
            return
        if len(self._warned) >= REMEMBERED:
            self._warned.clear()
        self._warned.add(key)
        _log.warning(
            "the history of workflow execution %s of tenant %s has %d events and about %d bytes; clients refuse more"
            " than 4 MiB: let it continue as a new run, or keep large values elsewhere",
            key[1],
            key[0],
            len(events),
            size,
        )
