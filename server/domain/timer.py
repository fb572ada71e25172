"""Durable timers of workflows. A timer fires once, unless it is cancelled or its workflow ends first."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

LONGEST_DURATION_MS = 100 * 365 * 24 * 3600 * 1000
"""A hundred years; a longer duration is cut to this one."""

TimerKey = tuple[UUID, UUID, str]
"""Tenant, workflow, and the timer's id, which is unique within the workflow only."""


@dataclass(frozen=True, slots=True)
class NewTimer:
    """A timer to start; a duration of zero or less is due at once."""

    tenant_id: UUID
    workflow_id: UUID
    timer_id: str
    duration_ms: int

    @property
    def key(self) -> TimerKey:
        """Tenant, workflow and id."""
        return (self.tenant_id, self.workflow_id, self.timer_id)


def usable_duration(duration_ms: int) -> int:
    """Return the duration to store, from zero to ``LONGEST_DURATION_MS``."""
    return min(max(duration_ms, 0), LONGEST_DURATION_MS)
