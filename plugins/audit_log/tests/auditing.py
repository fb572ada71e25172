"""A server with the audit log, and what its tests ask of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg

from plugins.audit_log import audit_pb2_grpc
from plugins.audit_log.domain import EventDraft, Kind
from plugins.audit_log.plugin import AuditLogPlugin
from plugins.audit_log.recorder import Recorder
from plugins.audit_log.repository import EventRepository
from proto.flovyn.v1 import workflow_pb2
from tests.support.running import CONFIG, OTHER_TENANT, TENANT, Client, bearer, running_server

BASE = "/api/v1/p/audit-log"
USER_KEY = "key-of-a-user-0123456789"
OTHER_USER_KEY = "key-of-another-user-0123456789"
MEMBER_KEY = "key-of-a-member-0123456789"
T0 = datetime(2026, 1, 1, tzinfo=UTC)

_USERS = [
    {"key": USER_KEY, "tenant_id": str(TENANT), "principal_type": "User", "principal_id": "ada", "role": "ADMIN"},
    {"key": OTHER_USER_KEY, "tenant_id": str(OTHER_TENANT), "principal_type": "User", "principal_id": "bob"},
    {"key": MEMBER_KEY, "tenant_id": str(TENANT), "principal_type": "User", "principal_id": "eve", "role": "MEMBER"},
]
_AUTH = {"static_api_key": {"keys": [*CONFIG["auth"]["static_api_key"]["keys"], *_USERS]}}


@asynccontextmanager
async def auditing(database: str, **settings: Any) -> AsyncIterator[Client]:
    """Run a server whose audit log has these settings."""
    config = {**CONFIG, "auth": _AUTH, "plugins": {"audit_log": settings}}
    async with running_server(database, [AuditLogPlugin], config) as client:
        yield client


def plugin_of(client: Client) -> Any:
    """Return the plugin's instance in a server."""
    return client.registry.plugins()[0]


def recorder_of(client: Client) -> Recorder:
    """Return the queue of a server."""
    recorder: Recorder = plugin_of(client)._parts.recorder
    return recorder


def events_of(client: Client) -> EventRepository:
    """Return a repository on a server's pool."""
    return EventRepository(client.pool)


def audit_stub(client: Client) -> Any:
    """Return a stub of the gRPC service."""
    return audit_pb2_grpc.AuditServiceStub(client.channel)


async def start(client: Client, kind: str = "k", **metadata: Any) -> str:
    """Start a workflow: a call that changes something."""
    request = workflow_pb2.StartWorkflowRequest(tenant_id=str(TENANT), workflow_kind=kind, input=b'"hunter2"')
    answer = await client.dispatch.StartWorkflow(request, metadata=bearer(**metadata))
    return str(answer.workflow_execution_id)


async def poll(client: Client) -> workflow_pb2.PollResponse:
    """Ask for work."""
    request = workflow_pb2.PollRequest(worker_id="w", tenant_id=str(TENANT))
    answer: workflow_pb2.PollResponse = await client.dispatch.PollWorkflow(request, metadata=bearer())
    return answer


async def stored(client: Client, tenant_id: UUID = TENANT) -> list[Any]:
    """Write what waits, and return a chain's events by number."""
    await recorder_of(client).flush()
    return await events_of(client).walk(tenant_id, 0, 2**62, 10**6)


def draft(number: int = 0, **more: Any) -> EventDraft:
    """Return an event, a second after the one of the number before."""
    made = EventDraft(
        tenant_id=TENANT,
        kind=Kind.CALL,
        call_id=uuid4(),
        at=T0 + timedelta(seconds=number),
        request_id="r",
        protocol="http",
        operation=f"POST /things/{number}",
        action="create",
        resource="thing",
        resource_id=str(number),
        principal_type="User",
        principal_id="ada",
        peer="192.0.2.1",
        code="ok",
        duration_us=5,
        times=None,
    )
    return replace(made, **more)


async def tamper(database: str, *statements: str) -> None:
    """Change stored rows as the owner of the tables can: with the triggers switched off."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await connection.execute("ALTER TABLE p_audit_log__events DISABLE TRIGGER USER")
        for statement in statements:
            await connection.execute(statement.encode())
        await connection.execute("ALTER TABLE p_audit_log__events ENABLE TRIGGER USER")
