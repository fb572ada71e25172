"""Parts of bodies that several resources share, checked."""

from __future__ import annotations

import re
from uuid import UUID

from core.errors import InvalidInput, NotFound
from core.json_text import JsonText
from core.launchers import IdempotencyKey
from core.payload import NULL, Json, readable, sized
from server.domain.idempotency import checked_key

_TTL = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def path_id(text: str, what: str) -> UUID:
    """Return the id in a path.

    Raises:
        NotFound: it is no UUID, so nothing has it.
    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no {what} {text!r}: ids are UUIDs") from None


def payload(value: JsonText, field: str) -> Json:
    """Return the payload of a body's field, which the guard has read.

    Raises:
        TooLarge: it is larger than a payload may be.
    """
    return sized(value.text, field)


def shown(document: Json | None) -> JsonText:
    """Return a stored payload as a part of an answer; where there is none, null."""
    return JsonText(NULL if document is None else readable(document))


def idempotency_key(key: str | None, ttl: str) -> IdempotencyKey | None:
    """Return the key of a body; its time to live is written ``30s``, ``5m``, ``2h`` or ``7d``.

    Raises:
        InvalidInput: the key or its time to live is not valid.
    """
    if key is None:
        return None
    match = _TTL.fullmatch(ttl)
    if match is None:
        raise InvalidInput(f"idempotencyKeyTTL {ttl!r} is not valid: write a number and s, m, h or d, such as 24h")
    return checked_key(key, int(match[1]) * _SECONDS[match[2]])


def empty_object() -> JsonText:
    """Return the payload of a body that does without one."""
    return JsonText(Json("{}"))


def null() -> JsonText:
    """Return the payload that is null."""
    return JsonText(NULL)
