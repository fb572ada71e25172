"""The spans of calls."""

from __future__ import annotations

from core.auth import Identity, Protocol
from core.tracing import OpenSpan
from server.observability.call_meter import FAILURES, EndedCall
from server.observability.request_id import REQUEST_ID


def end_span(span: OpenSpan, call: EndedCall, code: str, parked: float, error: BaseException | None) -> None:
    """End the span of a call with the facts that its log line has; a failure of the server is an error."""
    failed = code in FAILURES
    if span.context.sampled or failed:
        _describe(span, call, code, parked)
    span.end(f"{code}: {type(error).__name__}" if failed else None)


def _describe(span: OpenSpan, call: EndedCall, code: str, parked: float) -> None:
    endpoint, attributes = call.endpoint, span.attributes
    identity: Identity = call.known_caller or call.identity
    if endpoint.protocol is Protocol.REST:
        attributes["http.request.method"], _, attributes["http.route"] = endpoint.operation.partition(" ")
    else:
        attributes["rpc.system"] = "grpc"
        attributes["rpc.service"], _, attributes["rpc.method"] = endpoint.operation[1:].partition("/")
    attributes["client.address"] = call.peer
    attributes["flovyn.code"] = code
    attributes["flovyn.request_id"] = REQUEST_ID.get()
    attributes["flovyn.principal"] = identity.id
    if call.tenant_id is not None:
        attributes["flovyn.tenant_id"] = str(call.tenant_id)
    if call.resource_id is not None:
        attributes[f"flovyn.{endpoint.resource.replace('-', '_')}_id"] = call.resource_id
    if parked:
        attributes["flovyn.parked_ms"] = round(parked * 1000, 3)
