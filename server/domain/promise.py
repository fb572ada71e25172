"""Promises of workflows. A promise is settled once: by a caller, by its workflow, or by its timeout."""

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
"""A hundred years; a longer timeout is cut to this one."""

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
    """A promise to create. The timeout begins with the creation; None means no timeout."""

    tenant_id: UUID
    id: UUID
    workflow_id: UUID
    name: str
    timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PromiseRef:
    """A caller's reference to a promise: its id, its idempotency key, or its workflow and name; one form is set."""

    tenant_id: UUID
    id: UUID | None = None
    workflow_id: UUID | None = None
    name: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class PromiseOutcome:
    """The outcome of a settled promise: a value, an error, or a timeout."""

    status: PromiseStatus
    value: Json | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome for one promise."""

    tenant_id: UUID
    promise_id: UUID
    outcome: PromiseOutcome


def resolved(value: Json) -> PromiseOutcome:
    """Return the outcome of a resolved promise."""
    return PromiseOutcome(PromiseStatus.RESOLVED, value=value)


def rejected(error: str) -> PromiseOutcome:
    """Return the outcome of a rejected promise."""
    return PromiseOutcome(PromiseStatus.REJECTED, error=error)


TIMED_OUT = PromiseOutcome(PromiseStatus.TIMEOUT)

_EVENTS = {
    PromiseStatus.RESOLVED: EventType.PROMISE_RESOLVED,
    PromiseStatus.REJECTED: EventType.PROMISE_REJECTED,
    PromiseStatus.TIMEOUT: EventType.PROMISE_TIMEOUT,
}


def settled_event(promise_id: UUID, name: str, outcome: PromiseOutcome) -> NewEvent:
    """Return the workflow's event for a settled promise."""
    data = json_object(
        promiseId=dump(str(promise_id)),
        promiseName=dump(name),
        value=outcome.value,
        error=None if outcome.error is None else dump(outcome.error),
    )
    return NewEvent(_EVENTS[outcome.status], data)


def parse_ref(tenant_id: UUID, text: str) -> PromiseRef:
    """Return the reference in ``text``: a promise id, or workflow id and promise name, joined by ``:`` or ``/``.

    Raises:
        InvalidInput: the text has none of these forms.
    """
    if _ID.fullmatch(text):
        return PromiseRef(tenant_id, id=UUID(text))
    legacy = _LEGACY.fullmatch(text)
    if legacy is None:
        raise InvalidInput("promise_id must be a UUID, such as 0b6bbd0e-4f0c-4c0e-9f1a-6f6b8a1f2c3d")
    return PromiseRef(tenant_id, workflow_id=UUID(legacy[1]), name=name_field(legacy[2], "the name in promise_id"))


def usable_timeout(timeout_ms: int | None) -> int | None:
    """Return the timeout to store; zero, a negative number and None mean no timeout."""
    if timeout_ms is None or timeout_ms <= 0:
        return None
    return min(timeout_ms, LONGEST_TIMEOUT_MS)
