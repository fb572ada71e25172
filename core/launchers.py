"""The calls of the engine that a plugin may use, as protocols: plugins never see the server itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from core.payload import NULL, Json
from core.tenant import Tenant

DEFAULT_QUEUE = "default"
DEFAULT_KEY_TTL = timedelta(hours=24)
DEFAULT_MAX_RETRIES = 3
EMPTY_OBJECT = Json("{}")


class TenantLookup(Protocol):
    """Finds tenants."""

    async def by_id(self, tenant_id: UUID) -> Tenant | None:
        """Return the tenant, or None when there is none of that id."""

    async def by_slug(self, slug: str) -> Tenant | None:
        """Return the tenant, or None when there is none of that slug."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Makes a creation repeatable: while the key lives, a second creation with it returns the first one's id.

    Attributes:
        key: 1 to 255 characters, unique within the tenant for workflows, tasks, promises and agents
            together.
        ttl: how long the key lives, from one second to 30 days.
    """

    key: str
    ttl: timedelta = DEFAULT_KEY_TTL


@dataclass(frozen=True, slots=True)
class Launched:
    """A created thing, or the one that its idempotency key led to; ``is_new`` tells which."""

    id: UUID
    is_new: bool


@dataclass(frozen=True, slots=True)
class WorkflowLaunch:
    """A workflow to start. The payload is JSON text (``core.payload``)."""

    tenant_id: UUID
    kind: str
    input: Json = NULL
    queue: str = DEFAULT_QUEUE
    priority_seconds: int = 0
    workflow_version: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class TaskLaunch:
    """A standalone task to create. ``timeout`` is a deadline over all attempts, measured from the creation."""

    tenant_id: UUID
    kind: str
    input: Json = NULL
    queue: str = DEFAULT_QUEUE
    max_retries: int = DEFAULT_MAX_RETRIES
    timeout: timedelta | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: IdempotencyKey | None = None


@dataclass(frozen=True, slots=True)
class AgentLaunch:
    """An agent to start. The payloads are JSON texts (``core.payload``); ``metadata`` is a JSON object."""

    tenant_id: UUID
    kind: str
    input: Json = NULL
    queue: str = DEFAULT_QUEUE
    persistence_mode: str = "REMOTE"
    metadata: Json = EMPTY_OBJECT
    idempotency_key: IdempotencyKey | None = None


class WorkflowLauncher(Protocol):
    """Starts workflows."""

    async def launch(self, request: WorkflowLaunch) -> Launched:
        """Start a workflow; it is committed when this returns.

        Raises:
            InvalidInput: a field is not valid; the message names it.
            NotFound: the tenant does not exist.
            AlreadyExists: the idempotency key belongs to a task or a promise.
        """


class TaskLauncher(Protocol):
    """Creates standalone tasks."""

    async def launch(self, request: TaskLaunch) -> Launched:
        """Create a task that belongs to no workflow; it is committed when this returns.

        Raises:
            InvalidInput: a field is not valid; the message names it.
            NotFound: the tenant does not exist.
            AlreadyExists: the idempotency key belongs to something else, or to a task of another kind.
        """


class PromiseResolver(Protocol):
    """Settles promises from outside of their workflow. The first settlement wins."""

    async def resolve(self, tenant_id: UUID, promise_id: UUID, value: Json) -> bool:
        """Resolve the promise; return False when it was settled before, otherwise than with this value.

        Raises:
            NotFound: the tenant has no such promise.
        """

    async def reject(self, tenant_id: UUID, promise_id: UUID, error: str) -> bool:
        """Reject the promise; return False when it was settled before, otherwise than with this error.

        Raises:
            NotFound: the tenant has no such promise.
        """


class AgentLauncher(Protocol):
    """Starts agents and signals them."""

    async def launch(self, request: AgentLaunch) -> Launched:
        """Start an agent; it is committed when this returns.

        Raises:
            InvalidInput: a field is not valid; the message names it.
            NotFound: the tenant does not exist.
            AlreadyExists: the idempotency key belongs to something else.
        """

    async def signal(self, tenant_id: UUID, agent_id: UUID, name: str, value: Json) -> bool:
        """Queue a signal at an agent; return whether it releases the agent from its suspension.

        Raises:
            InvalidInput: the name or the value is not valid.
            NotFound: the tenant has no such agent.
            WrongState: the agent has ended.
            LimitExceeded: too many signals wait at the agent.
        """
