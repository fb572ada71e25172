"""Checks and conversions of the parts of bodies that several resources have."""

from __future__ import annotations

import json
import re
from uuid import UUID

from core.errors import InvalidInput, NotFound
from core.json_text import JsonText
from core.launchers import IdempotencyKey
from core.payload import NULL, Json, payload_of, readable, sized
from server.domain.idempotency import checked_key

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_TTL = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def path_id(text: str, resource: str) -> UUID:
    """Return the id in a path.

    Raises:
        NotFound: the text is no UUID, so no resource has it.
    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no {resource} {text!r}: ids are UUIDs") from None


def payload(value: JsonText, field: str) -> Json:
    """Return the payload in a field of a body.

    Raises:
        TooLarge: the payload has more than ``MAX_PAYLOAD_BYTES``.
    """
    return sized(value.text, field)


def shown(document: Json | None) -> JsonText:
    """Return a stored payload as a part of an answer; null where there is none."""
    return JsonText(NULL if document is None else readable(document))


def idempotency_key(key: str | None, ttl: str) -> IdempotencyKey | None:
    """Return the idempotency key of a body; a time to live is written ``30s``, ``5m``, ``2h`` or ``7d``.

    Raises:
        InvalidInput: the key or its time to live is not valid.
    """
    if key is None:
        return None
    match = _TTL.fullmatch(ttl)
    if match is None:
        raise InvalidInput(f"idempotencyKeyTTL {ttl!r} is not valid; send a number and s, m, h or d, such as 24h")
    return checked_key(key, int(match[1]) * _SECONDS[match[2]])


def empty_object() -> JsonText:
    """Return the default of a payload that is an object."""
    return JsonText(Json("{}"))


def null() -> JsonText:
    """Return the default of a payload that may be null."""
    return JsonText(NULL)


def metadata_condition(text: str) -> Json:
    """Return a condition on metadata.

    Raises:
        InvalidInput: the text is no JSON object, or holds a NUL character.
    """
    metadata = payload_of(text, "metadata")
    if not isinstance(json.loads(metadata), dict):
        raise InvalidInput('metadata must be a JSON object, such as {"team":"a"}')
    if _NUL.search(metadata):
        raise InvalidInput("metadata holds a NUL character, which cannot be stored")
    return metadata
