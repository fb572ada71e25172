"""Spans that workers report of what they executed: checked and counted, not kept.

Nothing in the server shows them, and every one would cost a row; who wants to see them can have them from the worker's
own tracing. Reporting is best effort for workers, so that a bad span costs its place in the count and no error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from core.errors import InvalidInput
from core.limits import MAX_SPANS
from server.storage.repositories import Repositories

SPAN_TYPES = frozenset(
    {"workflow.execute", "workflow.replay", "task.execute", "task.retry", "activity.execute", "run.execute"}
)

Span = tuple[str, UUID | None]
"""Type, and the workflow that it belongs to, if it names one."""


class Spans:
    """Takes reports of spans."""

    def __init__(self, storage: Repositories) -> None:
        """Take the storage."""
        self._storage = storage
        self.counted: Counter[str] = Counter()
        """Accepted spans by type, since the process began."""

    async def report(self, tenant_id: UUID, spans: Sequence[Span]) -> int:
        """Count the spans that are of a known type and of one of the tenant's runs; return how many these are.

        Raises:
            InvalidInput: there are more than ``MAX_SPANS``.
        """
        if len(spans) > MAX_SPANS:
            raise InvalidInput(f"spans has {len(spans)} entries; at most {MAX_SPANS} are allowed in one call")
        named = {(tenant_id, workflow_id) for _, workflow_id in spans if workflow_id is not None}
        async with self._storage.database.connection() as connection:
            known = await self._storage.workflows.parents(connection, list(named)) if named else {}
        accepted = [kind for kind, workflow_id in spans if kind in SPAN_TYPES and (tenant_id, workflow_id) in known]
        self.counted.update(accepted)
        return len(accepted)
