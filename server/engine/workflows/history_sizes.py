"""Warns of histories that grow towards what clients can still receive; each workflow once per process."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from server.domain.history_size import size_warning
from server.domain.workflow_event import Event
from server.storage.workflows import WorkflowKey

REMEMBERED = 10_000
"""Workflows that were warned of; beyond so many they are forgotten and warned of anew."""

_log = logging.getLogger(__name__)


class HistorySizes:
    """Looks at histories on their way to workers and clients."""

    def __init__(self) -> None:
        """Start without warnings."""
        self._warned: set[WorkflowKey] = set()

    def look(self, key: WorkflowKey, events: Sequence[Event]) -> None:
        """Warn when a history is large, unless that was said before."""
        warning = size_warning(sum(event.size for event in events))
        if warning is None or key in self._warned:
            return
        if len(self._warned) >= REMEMBERED:
            self._warned.clear()
        self._warned.add(key)
        _log.warning("workflow execution %s of tenant %s: %s", key[1], key[0], warning)
