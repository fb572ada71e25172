"""A promise of a workflow: settled once, from outside, by the workflow itself, or by its time-out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from core.errors import InvalidInput
from core.fields import name_field
from core.payload import Json, dump, json_object
from server.domain.workflow_event import EventType, NewEvent

LONGEST_TIMEOUT_MS = 100 * 365 * 24 * 3600 * 1000
"""A hundred years; a longer time-out counts as this one."""

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ID = re.compile(_UUID)
_LEGACY = re.compile(rf"({_UUID})[:/](.+)", re.DOTALL)


class PromiseStatus(StrEnum):
    """Stored status of a promise."""

    PENDING = "PENDING"
    RESOLVED = "RESOLVED"
    REJECTED = "REJECTED"
    TIMEOUT = "TIMEOUT"
    ABANDONED = "ABANDONED"


@dataclass(frozen=True, slots=True)
class NewPromise:
    """A promise to create; the time-out begins with the creation, None means none."""

    tenant_id: UUID
    id: UUID
    workflow_id: UUID
    name: str
    timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PromiseRef:
    """How somebody outside names a promise: by its id, by its idempotency key, or by run and name: one of the forms."""

    tenant_id: UUID
    id: UUID | None = None
    workflow_id: UUID | None = None
    name: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a promise is settled with: a value, or an error."""

    status: PromiseStatus
    value: Json | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """A verdict on a promise that was found."""

    tenant_id: UUID
    promise_id: UUID
    verdict: Verdict


def resolved(value: Json) -> Verdict:
    """Return the verdict of a promise that gets its value."""
    return Verdict(PromiseStatus.RESOLVED, value=value)


def rejected(error: str) -> Verdict:
    """Return the verdict of a promise that fails."""
    return Verdict(PromiseStatus.REJECTED, error=error)


TIMED_OUT = Verdict(PromiseStatus.TIMEOUT)

_EVENTS = {
    PromiseStatus.RESOLVED: EventType.PROMISE_RESOLVED,
    PromiseStatus.REJECTED: EventType.PROMISE_REJECTED,
    PromiseStatus.TIMEOUT: EventType.PROMISE_TIMEOUT,
}


def settled_event(promise_id: UUID, name: str, verdict: Verdict) -> NewEvent:
    """Return the event that tells a workflow of a settled promise."""
    data = json_object(
        promiseId=dump(str(promise_id)),
        promiseName=dump(name),
        value=verdict.value,
        error=None if verdict.error is None else dump(verdict.error),
    )
    return NewEvent(_EVENTS[verdict.status], data)


def parse_ref(tenant_id: UUID, text: str) -> PromiseRef:
    """Return the promise that a client names: by id, or in the older forms ``<run id>:<name>`` and ``<run id>/<name>``.

    Raises:
        InvalidInput: it is none of them.
    """
    if _ID.fullmatch(text):
        return PromiseRef(tenant_id, id=UUID(text))
    legacy = _LEGACY.fullmatch(text)
    if legacy is None:
        raise InvalidInput("promise_id must be a UUID, such as 0b6bbd0e-4f0c-4c0e-9f1a-6f6b8a1f2c3d")
    return PromiseRef(tenant_id, workflow_id=UUID(legacy[1]), name=name_field(legacy[2], "the name in promise_id"))


def usable_timeout(timeout_ms: int | None) -> int | None:
    """Return the time-out as it is kept: zero, less and nothing mean none."""
    if timeout_ms is None or timeout_ms <= 0:
        return None
    return min(timeout_ms, LONGEST_TIMEOUT_MS)
