"""Checked conversions of message fields to domain values; errors name the field. Texts: ``core.fields``."""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from uuid import UUID

from core.auth import Identity
from core.errors import InvalidInput
from core.launchers import IdempotencyKey
from core.pacing import SMALL_BYTES, paced
from core.payload import NULL, Json, parse_payload
from server.domain.idempotency import checked_key

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def uuid_field(value: str, field: str) -> UUID:
    """Return the UUID in ``value``.

    Raises:
        InvalidInput: the value is no UUID.
    """
    if not _UUID.fullmatch(value):
        raise InvalidInput(f"{field} must be a UUID, such as 0b6bbd0e-4f0c-4c0e-9f1a-6f6b8a1f2c3d")
    return UUID(value)


def optional_uuid(value: str) -> UUID | None:
    """Return the UUID in ``value``, or None where it is no UUID."""
    return UUID(value) if _UUID.fullmatch(value) else None


async def payload_field(data: bytes, field: str) -> Json:
    """Return the payload of ``field``, checked in turns where it is large (``core.pacing``); empty means null.

    Raises:
        InvalidInput: the payload is not valid JSON, or has too many values; see ``parse_payload``.
        TooLarge: the payload has more than ``MAX_PAYLOAD_BYTES``.
    """
    if len(data) <= SMALL_BYTES:
        return parse_payload(data, field)
    return await paced(len(data), partial(parse_payload, data, field))


def optional_payload(data: bytes, field: str) -> Json | None:
    """Return the payload of ``field``, or None where it is empty or null."""
    payload = parse_payload(data, field)
    return None if payload == NULL else payload


def tenant_of(identity: Identity) -> UUID:
    """Return the tenant of a call whose message names none.

    Raises:
        InvalidInput: the credentials belong to no tenant.
    """
    if identity.tenant_id is None:
        raise InvalidInput("tenant credentials are required for this call")
    return identity.tenant_id


def key_field(request: Any) -> IdempotencyKey | None:
    """Return the idempotency key of a message that has the fields for one; None where they are not set.

    Raises:
        InvalidInput: the key or its time to live is not valid.
    """
    if not request.HasField("idempotency_key"):
        return None
    has_ttl = request.HasField("idempotency_key_ttl_seconds")
    return checked_key(request.idempotency_key, request.idempotency_key_ttl_seconds if has_ttl else None)
