"""Bodies and query strings of the REST routes; also what the OpenAPI document is made of."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from core.auth import Action
from core.paging import MAX_CURSOR
from core.rest_model import DEFAULT_LIMIT, Moment, PageLimit, RestModel, Text
from plugins.audit_log.domain import Head
from plugins.audit_log.filters import Filter
from plugins.audit_log.repository import Retention, Shown
from plugins.audit_log.service import DEFAULT_VERIFIED, MAX_KEEP_DAYS, MAX_VERIFIED, ChainName
from plugins.audit_log.verifier import ChainProblem, Verdict

Sequence = Annotated[int, Field(ge=1, le=2**53)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ChainQuery(RestModel):
    """Query string of what concerns a chain as a whole."""

    chain: ChainName = Field(ChainName.OWN, description="refusals: those of unknown callers; for operators")


class FilterQuery(ChainQuery):
    """Conditions that an event must meet."""

    from_time: Moment | None = Field(None, alias="from", description="at or after this time")
    to_time: Moment | None = Field(None, alias="to", description="before this time")
    principal: Text | None = Field(None, description="the caller's id")
    action: Text | None = Field(None, description=f"one of {', '.join(Action)}")
    resource: Text | None = Field(None, description="the kind of thing")
    resource_id: Text | None = None
    operation: Text | None = Field(None, description="the route or method")
    code: Text | None = Field(None, description="ok, an error's code, or unknown: an attempt without an outcome")

    def wanted(self) -> Filter:
        """Return the conditions."""
        return Filter(
            self.from_time,
            self.to_time,
            self.principal,
            self.action,
            self.resource,
            self.resource_id,
            self.operation,
            self.code,
        )


class EventQuery(FilterQuery):
    """Query string of a list; a limit above the largest is cut down to it."""

    limit: PageLimit = DEFAULT_LIMIT
    cursor: Annotated[str, Field(min_length=1, max_length=MAX_CURSOR)] | None = Field(
        None, description="the nextCursor of the page before"
    )


Format = Literal["ndjson", "csv"]
"""How an export is written."""


class ExportQuery(FilterQuery):
    """Query string of an export."""

    format: Format = "ndjson"


class RecordedEventBody(RestModel):
    """An event."""

    sequence: int = Field(description="its number in the chain, and its id")
    kind: str = Field(description="call; or attempt and outcome, which share a callId")
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
    code: str = Field(description="of an attempt: its outcome's, or unknown")
    duration_us: int | None
    times: int | None = Field(description="how many calls the event stands for; null: one")
    previous_hash: str
    hash: str

    @classmethod
    def of(cls, shown: Shown) -> RecordedEventBody:
        """Return the body of an event."""
        event = shown.event
        return cls(
            sequence=event.sequence,
            kind=event.kind,
            call_id=event.call_id,
            at=event.at,
            request_id=event.request_id,
            protocol=event.protocol,
            operation=event.operation,
            action=event.action,
            resource=event.resource,
            resource_id=event.resource_id,
            principal_type=event.principal_type,
            principal_id=event.principal_id,
            peer=event.peer,
            code=shown.outcome,
            duration_us=event.duration_us,
            times=event.times,
            previous_hash=event.previous_hash.hex(),
            hash=event.hash.hex(),
        )


class EventList(RestModel):
    """A page of events, newest first."""

    events: list[RecordedEventBody]
    next_cursor: str | None = Field(description="asks for the next page; null on the last")


class SetRetention(RestModel):
    """How long events are to be kept."""

    keep_days: Annotated[int, Field(ge=1, le=MAX_KEEP_DAYS, strict=True)] | None = Field(description="null: for ever")


class RetentionBody(RestModel):
    """How long events are kept."""

    keep_days: int | None = Field(description="null: for ever")
    changed_at: datetime | None
    changed_by: str | None

    @classmethod
    def of(cls, retention: Retention) -> RetentionBody:
        """Return the body."""
        return cls(keep_days=retention.keep_days, changed_at=retention.changed_at, changed_by=retention.changed_by)


class HeadBody(RestModel):
    """The end of a chain, as it is stored: 0 and zeros while it is empty; that of a damaged one may be anything."""

    sequence: int
    hash: str

    @classmethod
    def of(cls, head: Head) -> HeadBody:
        """Return the body."""
        return cls(sequence=head.sequence, hash=head.hash.hex())


class Anchor(RestModel):
    """A head that a caller has kept."""

    sequence: Annotated[int, Field(ge=0, le=2**53)]
    hash: Hash

    def head(self) -> Head:
        """Return the value."""
        return Head(self.sequence, bytes.fromhex(self.hash))


class Verify(RestModel):
    """The part of a chain to verify."""

    start: Sequence | None = Field(None, description="the first event to look at; null: where the kept part begins")
    limit: Annotated[int, Field(ge=1, le=MAX_VERIFIED)] = DEFAULT_VERIFIED
    anchor: Anchor | None = Field(None, description="a head that was kept elsewhere")


class VerdictBody(RestModel):
    """The result of a verification."""

    ok: bool = Field(description="nothing is wrong as far as verifiedTo")
    complete: bool = Field(description="verifiedTo is the head; otherwise go on with start = verifiedTo + 1")
    first: int
    verified_to: int
    head: HeadBody
    problem: ChainProblem | None
    broken_at: int | None

    @classmethod
    def of(cls, verdict: Verdict) -> VerdictBody:
        """Return the body."""
        return cls(
            ok=verdict.problem is None,
            complete=verdict.complete,
            first=verdict.first,
            verified_to=verdict.verified_to,
            head=HeadBody.of(verdict.head),
            problem=verdict.problem,
            broken_at=verdict.broken_at,
        )


class StatusBody(RestModel):
    """Counts of events by their outcome, in the process that answers, since it started."""

    mode: str
    recorded: int
    dropped: int
    queued: int
    queue_size: int
