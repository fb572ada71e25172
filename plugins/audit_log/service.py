"""The use cases of the log, the same over REST and gRPC, with their permissions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from core.auth import Identity, PrincipalType, Role
from core.errors import AuthzError, NotFound
from core.paging import Cursors, scope_of
from plugins.audit_log.domain import REFUSALS_CHAIN, SERVER_CHAIN, Head
from plugins.audit_log.filters import Filter, PageCursor
from plugins.audit_log.repository import EventRepository, Retention, RetentionRepository, Shown
from plugins.audit_log.verifier import Verdict, verify

EXPORT_PAGE: Final = 1000
"""Events that an export reads, and holds, at a time."""

MAX_VERIFIED: Final = 1_000_000
DEFAULT_VERIFIED: Final = 100_000
"""Events that one call verifies: about a second of computing; a longer chain takes several calls."""

MAX_KEEP_DAYS: Final = 36_500


class ChainName(StrEnum):
    """Which chain a caller asks about: its own, or that of the refusals of unknown callers, which operators may see."""

    OWN = "own"
    REFUSALS = "refusals"


class AuditService:
    """Reads the log, verifies it, and says how long it is kept; ``readable`` says whose a caller may see."""

    def __init__(self, events: EventRepository, retention: RetentionRepository, cursors: Cursors) -> None:
        self._events = events
        self._retention = retention
        self._cursors = cursors

    async def page(
        self, tenant_id: UUID, wanted: Filter, limit: int, cursor: str | None
    ) -> tuple[list[Shown], str | None]:
        """Return events, newest first, and the cursor of the next page where there may be one."""
        conditions = {name: None if value is None else str(value) for name, value in asdict(wanted).items()}
        scope = scope_of("audit-log", tenant_id, conditions)
        behind = await self._position(scope, cursor) if cursor else None
        found = await self._events.page(tenant_id, wanted, limit, behind, newest_first=True)
        following = PageCursor.behind(found[-1].event) if len(found) == limit else None
        if following is None or following == behind:  # damaged times are shown as one and the same
            return found, None
        return found, await self._cursors.cursor(scope, (following.at, following.sequence))

    async def _position(self, scope: bytes, cursor: str) -> PageCursor:
        at, sequence = await self._cursors.position(scope, cursor)
        assert isinstance(at, datetime)  # as ``page`` has signed them
        assert isinstance(sequence, int)
        return PageCursor(at, sequence)

    async def get(self, tenant_id: UUID, sequence: int | None) -> Shown:
        """Return the event of a number.

        Raises:
            NotFound: the chain has no such event.
        """
        found = await self._events.get(tenant_id, sequence) if sequence is not None else None
        if found is None:
            raise NotFound("the audit log has no event of this number that these credentials may see")
        return found

    def export(self, tenant_id: UUID, wanted: Filter) -> AsyncIterator[list[Shown]]:
        """Return an iterator over all events, oldest first, a page at a time."""
        return self._pages(tenant_id, wanted)

    async def _pages(self, tenant_id: UUID, wanted: Filter) -> AsyncIterator[list[Shown]]:
        cursor = None
        while True:
            found = await self._events.page(tenant_id, wanted, EXPORT_PAGE, cursor, newest_first=False)
            if found:
                yield found
            following = PageCursor.behind(found[-1].event) if len(found) == EXPORT_PAGE else None
            if following is None or following == cursor:  # damaged times are shown as one and the same
                return
            cursor = following

    async def head(self, tenant_id: UUID) -> Head:
        """Return the end of a chain, to be kept elsewhere."""
        found = await self._events.chain(tenant_id)
        return Head() if found is None else found.head

    async def verify(self, tenant_id: UUID, start: int | None, limit: int, anchor: Head | None) -> Verdict:
        """Walk a chain; see ``verifier.verify``."""
        return await verify(self._events, tenant_id, start, limit, anchor)

    async def get_retention(self, tenant_id: UUID) -> Retention:
        """Return how long events are kept."""
        return await self._retention.get(tenant_id)

    async def set_retention(self, tenant_id: UUID, keep_days: int | None, changed_by: str) -> Retention:
        """Say how long events are kept; None for ever."""
        return await self._retention.set(tenant_id, keep_days, changed_by)


def readable(identity: Identity, chain: ChainName = ChainName.OWN) -> UUID:
    """Return the chain that a principal may see: its tenant's; for an operator, the server's.

    Raises:
        AuthzError: none. Workers, members and unknown callers never see the log, whatever the authorizer allows.
    """
    if identity.principal_type not in {PrincipalType.USER, PrincipalType.SERVICE} or identity.role is Role.MEMBER:
        raise AuthzError("the audit log is for users who administer their tenant, for services, and for operators")
    if chain is ChainName.REFUSALS:
        if identity.is_operator:
            return REFUSALS_CHAIN
        raise AuthzError("the refusals of unknown callers are for operators")
    if identity.tenant_id is not None:
        return identity.tenant_id
    if identity.is_operator:
        return SERVER_CHAIN
    raise AuthzError("the audit log needs credentials of a tenant, or an operator's")
