"""What callers may do with the log, the same over REST and gRPC: who may, what they ask for, what they get."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from core.auth import Identity, PrincipalType, Role
from core.errors import AuthzError, NotFound
from plugins.audit_log.domain import SERVER_CHAIN, Head
from plugins.audit_log.filters import Cursor, Filter
from plugins.audit_log.repository import EventRepository, Retention, RetentionRepository, Shown
from plugins.audit_log.verifier import Verdict, verify

EXPORT_PAGE: Final = 1000
"""Events that an export reads, and holds, at a time."""

MAX_VERIFIED: Final = 1_000_000
DEFAULT_VERIFIED: Final = 100_000
"""Events that one call verifies: about a second of computing; a longer chain takes several calls."""

MAX_KEEP_DAYS: Final = 36_500


class AuditService:
    """Reads the log, verifies it, and says how long it is kept."""

    def __init__(self, events: EventRepository, retention: RetentionRepository) -> None:
        """Take where events and retention are stored."""
        self._events = events
        self._retention = retention

    async def page(
        self, identity: Identity, wanted: Filter, limit: int, cursor: str | None
    ) -> tuple[list[Shown], str | None]:
        """Return events, newest first, and the cursor of the next page where there may be one."""
        tenant_id = readable(identity)
        behind = Cursor.parse(cursor) if cursor else None
        found = await self._events.page(tenant_id, wanted, limit, behind, newest_first=True)
        following = str(Cursor.behind(found[-1].event)) if len(found) == limit else None
        return found, None if following == cursor else following

    async def get(self, identity: Identity, sequence: int | None) -> Shown:
        """Return the event of a number.

        Raises:
            NotFound: the caller's chain has no such event.
        """
        tenant_id = readable(identity)
        found = await self._events.get(tenant_id, sequence) if sequence is not None else None
        if found is None:
            raise NotFound("the audit log has no event of this number that these credentials may see")
        return found

    def export(self, identity: Identity, wanted: Filter) -> AsyncIterator[list[Shown]]:
        """Return an iterator over all events, oldest first, a page at a time; refuses before the first."""
        return self._pages(readable(identity), wanted)

    async def _pages(self, tenant_id: UUID, wanted: Filter) -> AsyncIterator[list[Shown]]:
        cursor = None
        while True:
            found = await self._events.page(tenant_id, wanted, EXPORT_PAGE, cursor, newest_first=False)
            if found:
                yield found
            following = Cursor.behind(found[-1].event) if len(found) == EXPORT_PAGE else None
            if following is None or following == cursor:  # damaged times are shown as one and the same
                return
            cursor = following

    async def head(self, identity: Identity) -> Head:
        """Return the end of the caller's chain, to be kept elsewhere."""
        chain = await self._events.chain(readable(identity))
        return Head() if chain is None else chain.head

    async def verify(self, identity: Identity, start: int | None, limit: int, anchor: Head | None) -> Verdict:
        """Walk the caller's chain; see ``verifier.verify``."""
        return await verify(self._events, readable(identity), start, limit, anchor)

    async def get_retention(self, identity: Identity) -> Retention:
        """Return how long the caller's events are kept."""
        return await self._retention.get(readable(identity))

    async def set_retention(self, identity: Identity, keep_days: int | None) -> Retention:
        """Say how long the caller's events are kept; None for ever."""
        return await self._retention.set(readable(identity), keep_days, identity.id)


def readable(identity: Identity) -> UUID:
    """Return whose chain a principal may see: its tenant's; an operator's is the server's.

    Raises:
        AuthzError: none. Workers, members and unknown callers never see the log, whatever the authorizer allows.
    """
    if identity.principal_type not in {PrincipalType.USER, PrincipalType.SERVICE} or identity.role is Role.MEMBER:
        raise AuthzError("the audit log is for users who administer their tenant, for services, and for operators")
    if identity.tenant_id is not None:
        return identity.tenant_id
    if identity.is_operator:
        return SERVER_CHAIN
    raise AuthzError("the audit log needs credentials of a tenant, or an operator's")
