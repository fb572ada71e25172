"""Execution spans that workers report: checked and counted, but not stored.

No part of the server shows spans, and each would cost a row; the worker's own tracing has them. Workers report spans as
best effort, so that an invalid span is left out of the count and causes no error.
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
"""The type of a span, and its workflow; None for a span without a workflow."""


class Spans:
    """The call about spans."""

    def __init__(self, storage: Repositories) -> None:
        self._storage = storage
        self.counted: Counter[str] = Counter()
        """Accepted spans by type, since the process began."""

    async def report(self, tenant_id: UUID, spans: Sequence[Span]) -> int:
        """Count the spans of a known type and of one of the tenant's workflows; return their number.

        Raises:
            InvalidInput: there are more than ``MAX_SPANS`` spans.
        """
        if len(spans) > MAX_SPANS:
            raise InvalidInput(f"spans has {len(spans)} entries; at most {MAX_SPANS} are allowed in one call")
        keys = {(tenant_id, workflow_id) for _, workflow_id in spans if workflow_id is not None}
        async with self._storage.database.connection() as connection:
            workflows = await self._storage.workflows.parents(connection, list(keys)) if keys else {}
        accepted = [kind for kind, workflow_id in spans if kind in SPAN_TYPES and (tenant_id, workflow_id) in workflows]
        self.counted.update(accepted)
        return len(accepted)
