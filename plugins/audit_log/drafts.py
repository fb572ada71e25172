"""Makes events of calls: what is recorded of them, cut to size and storable, and into whose chain it goes."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from core.auth import PrincipalType
from core.calls import OK, Call, Outcome
from plugins.audit_log.domain import REFUSALS_CHAIN, SERVER_CHAIN, EventDraft, Kind

MAX_TEXT: Final = 255
"""Characters of any text that is recorded; the rest is cut off."""


def draft_of(call: Call, outcome: Outcome | None, kind: Kind, *, with_peer: bool) -> EventDraft:
    """Return the event of a call."""
    identity = call.identity
    resource_id = outcome.resource_id if outcome is not None else call.resource_id
    return EventDraft(
        tenant_id=chain_of(call, refused=outcome is not None and outcome.is_refusal),
        kind=kind,
        call_id=call.id,
        at=call.received_at,
        request_id=clean(call.request_id),
        protocol=str(call.protocol),
        operation=clean(call.operation),
        action=str(call.action),
        resource=clean(call.resource),
        resource_id=clean(resource_id) if resource_id else None,
        principal_type=str(identity.principal_type) if identity is not None else None,
        principal_id=clean(identity.id) if identity is not None else None,
        peer=clean(call.peer) if with_peer and call.peer else None,
        code=clean(outcome.code) if outcome is not None else None,
        duration_us=round(outcome.duration * 1_000_000) if outcome is not None else None,
        times=None,
    )


def is_unknown(call: Call, outcome: Outcome) -> bool:
    """Whether a call was refused because its caller is not authenticated."""
    identity = call.identity
    if identity is None:
        return outcome.code != OK
    return identity.principal_type is PrincipalType.ANONYMOUS and outcome.is_refusal


def chain_of(call: Call, *, refused: bool = False) -> UUID:
    """Return the chain of a call: of the tenant that it concerns, else of the caller's tenant, else of the server.

    Unknown callers' calls stand in a chain of their own.
    """
    if call.identity is None or (call.identity.principal_type is PrincipalType.ANONYMOUS and refused):
        return REFUSALS_CHAIN
    if call.tenant_id is not None:
        return call.tenant_id
    if call.identity.tenant_id is not None:
        return call.identity.tenant_id
    return SERVER_CHAIN


def clean(text: str) -> str:
    """Return a text as the database can store it: no NUL, no half characters, not too long."""
    text = text[:MAX_TEXT]
    if text.isascii():
        return text.replace("\x00", "\ufffd")
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
