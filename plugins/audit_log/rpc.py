"""``flovyn.plugins.audit_log.v1.AuditService``: messages to values and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from core.auth import Action, Identity
from core.endpoints import GrpcHandler, GrpcMethod, GrpcService, Repeat, Scope
from core.errors import InvalidInput
from core.limits import MAX_LIMIT
from core.rest_model import DEFAULT_LIMIT
from plugins.audit_log import audit_pb2 as pb
from plugins.audit_log.domain import Head
from plugins.audit_log.filters import Filter
from plugins.audit_log.repository import Retention, Shown
from plugins.audit_log.service import DEFAULT_VERIFIED, MAX_KEEP_DAYS, MAX_VERIFIED, AuditService, readable

RESOURCE: Final = "audit-log"
MAX_TEXT: Final = 255
_TEXTS: Final = ("principal", "action", "resource", "resource_id", "operation", "code")


class AuditRpc:
    """Handlers of the service."""

    def __init__(self, service: AuditService) -> None:
        self._service = service

    def service(self) -> GrpcService:
        """Return the service."""
        handlers: dict[str, GrpcHandler] = {
            "ListEvents": self.list_events,
            "GetEvent": self.get_event,
            "ExportEvents": self.export_events,
            "GetRetention": self.get_retention,
            "SetRetention": self.set_retention,
            "VerifyChain": self.verify_chain,
            "GetHead": self.get_head,
        }
        methods = {
            name: GrpcMethod(handler, Action.MANAGE, RESOURCE, scope=Scope.ANYBODY, repeat=Repeat.READS)
            for name, handler in handlers.items()
        }
        methods["SetRetention"] = replace(methods["SetRetention"], repeat=Repeat.LAST)
        return GrpcService(pb.DESCRIPTOR.services_by_name["AuditService"], methods)

    async def list_events(self, request: pb.ListEventsRequest, identity: Identity) -> pb.ListEventsResponse:
        """Return a page."""
        limit = min(_in_range(request.limit or DEFAULT_LIMIT, "limit", 1, 2**31), MAX_LIMIT)
        cursor = _text(request.cursor, "cursor")
        found, following = await self._service.page(readable(identity), _filter(request.filter), limit, cursor)
        return pb.ListEventsResponse(events=[_event(each) for each in found], next_cursor=following or "")

    async def get_event(self, request: pb.GetEventRequest, identity: Identity) -> pb.Event:
        """Return one event."""
        return _event(await self._service.get(readable(identity), request.sequence))

    async def export_events(self, request: pb.ExportEventsRequest, identity: Identity) -> AsyncIterator[pb.Event]:
        """Stream all events."""
        async for page in self._service.export(readable(identity), _filter(request.filter)):
            for each in page:
                yield _event(each)

    async def get_retention(self, request: pb.GetRetentionRequest, identity: Identity) -> pb.Retention:
        """Return the retention."""
        return _retention(await self._service.get_retention(readable(identity)))

    async def set_retention(self, request: pb.SetRetentionRequest, identity: Identity) -> pb.Retention:
        """Set the retention."""
        days = None
        if request.HasField("keep_days"):
            days = _in_range(request.keep_days, "keep_days", 1, MAX_KEEP_DAYS)
        return _retention(await self._service.set_retention(readable(identity), days, identity.id))

    async def verify_chain(self, request: pb.VerifyChainRequest, identity: Identity) -> pb.VerifyChainResponse:
        """Walk the chain."""
        start = _in_range(request.start, "start", 0, 2**63 - 1) or None
        limit = _in_range(request.limit or DEFAULT_VERIFIED, "limit", 1, MAX_VERIFIED)
        anchor = None
        if request.HasField("anchor"):
            anchor = Head(_in_range(request.anchor.sequence, "anchor.sequence", 0, 2**63 - 1), request.anchor.hash)
        verdict = await self._service.verify(readable(identity), start, limit, anchor)
        return pb.VerifyChainResponse(
            ok=verdict.problem is None,
            complete=verdict.complete,
            first=verdict.first,
            verified_to=verdict.verified_to,
            head=_head(verdict.head),
            problem=verdict.problem or "",
            broken_at=verdict.broken_at,
        )

    async def get_head(self, request: pb.GetHeadRequest, identity: Identity) -> pb.Head:
        """Return the end of the chain."""
        return _head(await self._service.head(readable(identity)))


def _filter(message: pb.Filter) -> Filter:
    texts = {name: _text(getattr(message, name), f"filter.{name}") for name in _TEXTS}
    return Filter(
        from_time=_time(message.from_time, "filter.from_time") if message.HasField("from_time") else None,
        to_time=_time(message.to_time, "filter.to_time") if message.HasField("to_time") else None,
        **texts,
    )


def _text(value: str, field: str) -> str | None:
    if len(value) > MAX_TEXT or "\x00" in value:
        raise InvalidInput(f"{field} must have at most {MAX_TEXT} characters, none of them NUL")
    return value or None


def _time(value: Timestamp, field: str) -> datetime:
    try:
        at: datetime = value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{field} is not a time between the years 1 and 9999") from None
    return at


def _in_range(value: int, field: str, least: int, most: int) -> int:
    if not least <= value <= most:
        raise InvalidInput(f"{field} must be a number from {least} to {most}")
    return value


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def _event(shown: Shown) -> pb.Event:
    event = shown.event
    return pb.Event(
        sequence=event.sequence,
        kind=event.kind,
        call_id=str(event.call_id),
        at=_stamp(event.at),
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
        previous_hash=event.previous_hash,
        hash=event.hash,
    )


def _retention(retention: Retention) -> pb.Retention:
    changed_at = None if retention.changed_at is None else _stamp(retention.changed_at)
    return pb.Retention(keep_days=retention.keep_days, changed_at=changed_at, changed_by=retention.changed_by)


def _head(head: Head) -> pb.Head:
    return pb.Head(sequence=head.sequence, hash=head.hash)
