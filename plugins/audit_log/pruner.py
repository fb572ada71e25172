"""Deletes events past their tenant's retention, in batches, so that no call waits long for a chain."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

from core.clock import Clock
from plugins.audit_log.repository import RetentionRepository

BATCH: Final = 1000
"""Events in one transaction, which keeps the tenant's events from being written meanwhile."""

TENANTS: Final = 100


class Pruner:
    """The background service; one process of the deployment runs it."""

    name = "audit-pruner"

    def __init__(self, retention: RetentionRepository, clock: Clock, interval: float, logger: logging.Logger) -> None:
        self._retention = retention
        self._clock = clock
        self._interval = interval
        self._log = logger

    async def run(self) -> None:
        """Prune until cancelled."""
        while True:
            gone = await self.prune()
            if gone:
                self._log.info("%d events of the audit log were past their retention and are gone", gone)
            await asyncio.sleep(self._interval)

    async def prune(self) -> int:
        """Delete all events past their retention; return their number."""
        now = self._clock.now()
        gone, after = 0, None
        while tenants := await self._retention.due(now, after, TENANTS):
            for tenant_id, keep_days in tenants:
                gone += await self._pruned(tenant_id, keep_days)
            after = tenants[-1][0]
        return gone

    async def _pruned(self, tenant_id: UUID, keep_days: int) -> int:
        before = self._clock.now() - timedelta(days=keep_days)
        gone = 0
        while taken := await self._retention.prune(tenant_id, before, BATCH):
            gone += taken
        return gone
