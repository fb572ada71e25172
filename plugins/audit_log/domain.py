"""Events and their chains, without I/O, so that any reader of an export can recompute a chain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Final
from uuid import UUID

RESOURCE: Final = "audit-log"
"""The resource that the authorizer is asked about, for reading the log and for its retention."""

SERVER_CHAIN: Final = UUID(int=0)
"""Stands for the tenant of calls that concern none: operators'."""

REFUSALS_CHAIN: Final = UUID(int=1)
"""Stands for the tenant of unknown callers, all of whose calls are refused."""

NO_HASH: Final = bytes(32)
"""The first event of a chain has this in place of a predecessor's hash."""

UNKNOWN: Final = "unknown"
"""The outcome of an attempt that has none in the log: it is still running, or its server was killed meanwhile."""

_ENCODING: Final = b"flovyn audit event 1\n"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Kind(StrEnum):
    """The kind of an event.

    CALL: a call and its outcome in one. ATTEMPT: a call is about to run. OUTCOME: how the attempt of the same
    ``call_id`` ended.
    """

    CALL = "call"
    ATTEMPT = "attempt"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event that has no place in its chain yet.

    Attributes:
        tenant_id: whose chain it belongs to.
        kind: see ``Kind``; any other text is damage.
        call_id: the call's own id; joins an attempt and its outcome.
        at: when the call came in.
        request_id: the id of the server's log lines about the call.
        protocol: ``http`` or ``grpc``.
        operation: the route or method.
        action: what the caller did, such as ``create``.
        resource: to what kind of thing.
        resource_id: to which thing, where the call says.
        principal_type: of the caller; None for a stranger.
        principal_id: of the caller; None for a stranger.
        peer: the caller's network address, where it is recorded.
        code: ``ok`` or the error's code; None for an attempt.
        duration_us: microseconds; None for an attempt, and for several calls.
        times: how many calls the event stands for; None for one.
    """

    tenant_id: UUID
    kind: Kind | str
    call_id: UUID
    at: datetime
    request_id: str
    protocol: str
    operation: str
    action: str
    resource: str
    resource_id: str | None
    principal_type: str | None
    principal_id: str | None
    peer: str | None
    code: str | None
    duration_us: int | None
    times: int | None


@dataclass(frozen=True, slots=True)
class ChainedEvent(EventDraft):
    """An event in its place: numbers of a tenant are contiguous from 1."""

    sequence: int
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The last event of a chain; sequence 0 and ``NO_HASH`` while there is none."""

    sequence: int = 0
    hash: bytes = NO_HASH


DRAFT_FIELDS: Final = tuple(each.name for each in fields(EventDraft))
EVENT_FIELDS: Final = tuple(each.name for each in fields(ChainedEvent))
_values = attrgetter(*DRAFT_FIELDS)


def encoded(draft: EventDraft, sequence: int) -> bytes:
    """Return the canonical encoding of an event: every field marked as absent, or with its length in front.

    The last field, ``times``, is left out where it is absent, as it was before there was one.
    Two events that differ in any field have different encodings, because a reader could take one apart again.
    """
    *values, times = _values(draft)
    return _ENCODING + b"".join(map(_field, (sequence, *values, *(() if times is None else (times,)))))


def digest(draft: EventDraft, sequence: int, previous_hash: bytes) -> bytes:
    """Return the hash of an event behind the one whose hash is ``previous_hash``."""
    return hashlib.sha256(previous_hash + encoded(draft, sequence)).digest()


def chained(drafts: Iterable[EventDraft], head: Head) -> list[ChainedEvent]:
    """Return the drafts of one tenant as the events that follow ``head``."""
    events = []
    sequence, previous = head.sequence, head.hash
    for draft in drafts:
        sequence += 1
        own = digest(draft, sequence, previous)
        events.append(ChainedEvent(*(*_values(draft), sequence, previous, own)))
        previous = own
    return events


def _field(value: UUID | datetime | str | int | None) -> bytes:
    if value is None:
        return b"\x00"
    if isinstance(value, str):
        data = value.encode()
    elif isinstance(value, int):
        data = b"%d" % value
    elif isinstance(value, UUID):
        data = value.bytes
    else:
        data = b"%d" % ((value - _EPOCH) // _MICROSECOND)
    return b"\x01%b%b" % (len(data).to_bytes(4, "big"), data)
