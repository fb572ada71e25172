"""Sees every call and decides what is recorded of it, and when."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final
from uuid import UUID

from core.batching import Batcher
from core.calls import Call, CallObserver, Outcome
from core.errors import FlovynError, Unavailable
from plugins.audit_log.config import AuditLogConfig
from plugins.audit_log.domain import RESOURCE, EventDraft, Kind
from plugins.audit_log.drafts import draft_of, is_unknown
from plugins.audit_log.recorder import Recorder
from plugins.audit_log.repository import EventRepository

OUTCOME_WAIT_S: Final = 5.0
"""How long a call waits until its outcome is committed, in ``required`` mode; then the outcome is queued."""


def _looks_at_log(call: Call) -> bool:
    return call.reads and call.resource == RESOURCE


class BestEffortObserver(CallObserver):
    """Queues what is to be recorded; a call waits for nothing."""

    def __init__(self, recorder: Recorder, config: AuditLogConfig) -> None:
        self._recorder = recorder
        self._reads = config.reads

    def after(self, call: Call, outcome: Outcome) -> Awaitable[None] | None:
        """Queue a call that changed something, a refusal, and a read where reads are recorded."""
        wanted = call.action.changes or outcome.is_refusal or (self._reads and not outcome.empty)
        if wanted or is_unknown(call, outcome):
            self._recorder.offer(call, outcome, Kind.CALL)
        return None


class RequiredObserver(BestEffortObserver):
    """Commits the attempt of a change before it runs, and its outcome before it is answered."""

    def __init__(
        self, recorder: Recorder, config: AuditLogConfig, events: EventRepository, logger: logging.Logger
    ) -> None:
        super().__init__(recorder, config)
        self._with_peer = config.record_peer
        self._log = logger
        self._attempted: set[UUID] = set()  # calls whose attempt is in the log, or may be
        self._batcher: Batcher[EventDraft, int] = Batcher(events.append, name="audit_events")

    async def before(self, call: Call) -> None:
        """Commit the attempt of a call that changes something.

        To look at the log needs no attempt: a log that is damaged, or cannot grow, must be readable above all. It is
        recorded through the queue.

        Raises:
            Unavailable: that was not possible; the call is refused.
        """
        if not call.action.changes or _looks_at_log(call):
            return
        self._attempted.add(call.id)
        try:
            await self._batcher.submit(draft_of(call, None, Kind.ATTEMPT, with_peer=self._with_peer))
        except Exception as error:
            self._attempted.discard(call.id)
            self._log.error("%s is refused, because the audit log cannot record it: %s", call.operation, error)
            raise Unavailable("the call could not be recorded in the audit log; nothing was done; try again") from error

    def after(self, call: Call, outcome: Outcome) -> Awaitable[None] | None:
        """Commit the outcome of an attempt; queue everything else that is to be recorded."""
        if call.id not in self._attempted:
            return super().after(call, outcome)
        self._attempted.discard(call.id)
        return self._commit(call, outcome)

    async def _commit(self, call: Call, outcome: Outcome) -> None:
        """Commit an outcome, or queue it if that is not possible now; until it is written, it is unknown."""
        try:
            async with asyncio.timeout(OUTCOME_WAIT_S):
                await self._batcher.submit(draft_of(call, outcome, Kind.OUTCOME, with_peer=self._with_peer))
        except BaseException as error:
            self._recorder.offer(call, outcome, Kind.OUTCOME)
            if not isinstance(error, FlovynError | TimeoutError):
                raise

    async def close(self) -> None:
        """Wait until everything that was begun is committed."""
        await self._batcher.close()
