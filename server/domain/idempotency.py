"""Idempotency keys: one namespace per tenant for workflows, tasks, promises and agents together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from core.errors import AlreadyExists, InvalidInput
from core.fields import name_field
from core.launchers import DEFAULT_KEY_TTL, IdempotencyKey

SHORTEST_TTL = timedelta(seconds=1)
LONGEST_TTL = timedelta(days=30)


class Entity(StrEnum):
    """The type of the thing that a key leads to."""

    WORKFLOW = "WORKFLOW"
    TASK = "TASK"
    PROMISE = "PROMISE"
    AGENT = "AGENT"


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """The claim of a new entity to a key."""

    tenant_id: UUID
    key: IdempotencyKey
    entity: Entity
    entity_id: UUID


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """The entity that a key leads to.

    Attributes:
        entity: its type.
        entity_id: its id.
        kind: kind of the workflow, task or agent; None for a promise, or if the entity was deleted.
        is_live: it is neither deleted nor failed nor cancelled, and the key has not expired.
        is_open: it has not ended, and the key has not expired.
    """

    entity: Entity
    entity_id: UUID
    kind: str | None = None
    is_live: bool = True
    is_open: bool = True


def checked_key(key: str, ttl_seconds: int | None) -> IdempotencyKey:
    """Return the checked key.

    Raises:
        InvalidInput: the key is empty or longer than 255 characters, or its time to live is out of range.
    """
    ttl = DEFAULT_KEY_TTL if ttl_seconds is None else _ttl(ttl_seconds)
    return IdempotencyKey(name_field(key, "idempotency_key"), ttl)


def key_conflict(key: str, holder: KeyHolder) -> AlreadyExists:
    """Return the error for a key that leads to an entity of another type or kind."""
    return AlreadyExists(
        f"idempotency_key {key!r} belongs to the {holder.entity.lower()} {holder.entity_id}; choose another key"
    )


def _ttl(seconds: int) -> timedelta:
    if not SHORTEST_TTL.total_seconds() <= seconds <= LONGEST_TTL.total_seconds():
        raise InvalidInput(
            f"idempotency_key_ttl_seconds is {seconds}; it must be between 1 and {LONGEST_TTL.days * 86400} (30 days)"
        )
    return timedelta(seconds=seconds)
