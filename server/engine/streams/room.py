"""How many streams are open in a process: of REST and of gRPC together, in all and of one tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from core.errors import LimitExceeded


class StreamRoom:
    """Counts the open streams of a process."""

    def __init__(self, per_process: int, per_tenant: int) -> None:
        self._per_process = per_process
        self._per_tenant = per_tenant
        self._open: Counter[UUID] = Counter()

    def require(self, tenant_id: UUID) -> None:
        """Return when one more stream may be opened.

        Raises:
            LimitExceeded: the process, or the tenant in it, has as many streams as are allowed.
        """
        if self._open.total() >= self._per_process or self._open[tenant_id] >= self._per_tenant:
            raise LimitExceeded("too many streams are open at this server; close some, or try again later")

    @contextmanager
    def taken(self, tenant_id: UUID) -> Iterator[None]:
        """Count a stream as open while the context lasts.

        Raises:
            LimitExceeded: as ``require``.
        """
        self.require(tenant_id)
        self._open[tenant_id] += 1
        try:
            yield
        finally:
            self._open[tenant_id] -= 1
            if not self._open[tenant_id]:
                del self._open[tenant_id]
