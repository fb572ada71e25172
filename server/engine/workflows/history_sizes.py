"""Warnings about histories whose size approaches the limit of clients; one warning per workflow and process."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from server.domain.workflow_event import Event
from server.storage.workflows import WorkflowKey

CLIENT_LIMIT_MIB = 4
"""The greatest answer that clients of ``flovyn.v1`` accept; ``GetEvents`` has no pages."""

WARN_BYTES = 3 * 1024 * 1024
"""A history of this size, in bytes, is warned of."""

REMEMBERED = 10_000
"""The number of workflows whose warnings are remembered; beyond it, all are forgotten and warned of again."""

_log = logging.getLogger(__name__)


class HistorySizes:
    """Checks the sizes of histories that are read; the warnings of up to ``most`` workflows are remembered."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._warned: set[WorkflowKey] = set()

    def check(self, key: WorkflowKey, events: Sequence[Event]) -> None:
        """Log a warning if the history is large and was not warned of before."""
        warning = size_warning(sum(event.size for event in events))
        if warning is None or key in self._warned:
            return
        if len(self._warned) >= self._most:
            self._warned.clear()
        self._warned.add(key)
        _log.warning("workflow execution %s of tenant %s: %s", key[1], key[0], warning)


def size_warning(size: int) -> str | None:
    """Return the warning about a history of ``size`` bytes; None for one below ``WARN_BYTES``."""
    if size < WARN_BYTES:
        return None
    return (
        f"the history has about {size} bytes, and clients refuse more than {CLIENT_LIMIT_MIB} MiB:"
        " continue as a new workflow execution, or store large values elsewhere"
    )
