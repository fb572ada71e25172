"""The launchers of plugins: adapters from ``core.launchers`` to the engine's calls."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from core.fields import free_text, name_field
from core.launchers import AgentLaunch, IdempotencyKey, Launched, TaskLaunch, WorkflowLaunch
from core.payload import Json, payload_of
from server.domain.idempotency import checked_key
from server.domain.promise import PromiseRef, rejected, resolved
from server.engine.agents.signals import SendSignalCall
from server.engine.engine import Engine


class EngineWorkflowLauncher:
    """Implements ``core.launchers.WorkflowLauncher``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def launch(self, request: WorkflowLaunch) -> Launched:
        """Start a workflow; see ``core.launchers.WorkflowLauncher``."""
        key = request.idempotency_key
        checked = replace(
            request,
            input=payload_of(request.input, "input"),
            idempotency_key=None if key is None else usable_key(key),
        )
        return await self._engine.workflows.start(checked)


class EngineTaskLauncher:
    """Implements ``core.launchers.TaskLauncher``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def launch(self, request: TaskLaunch) -> Launched:
        """Create a standalone task; see ``core.launchers.TaskLauncher``."""
        key = request.idempotency_key
        checked = replace(
            request,
            input=payload_of(request.input, "input"),
            idempotency_key=None if key is None else usable_key(key),
        )
        return await self._engine.tasks.start(checked)


class EnginePromiseResolver:
    """Implements ``core.launchers.PromiseResolver``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def resolve(self, tenant_id: UUID, promise_id: UUID, value: Json) -> bool:
        """Resolve a promise; see ``core.launchers.PromiseResolver``."""
        outcome = resolved(payload_of(value, "value"))
        return (await self._engine.promises.settle(PromiseRef(tenant_id, id=promise_id), outcome))[1]

    async def reject(self, tenant_id: UUID, promise_id: UUID, error: str) -> bool:
        """Reject a promise; see ``core.launchers.PromiseResolver``."""
        outcome = rejected(free_text(error))
        return (await self._engine.promises.settle(PromiseRef(tenant_id, id=promise_id), outcome))[1]


class EngineAgentLauncher:
    """Implements ``core.launchers.AgentLauncher``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def launch(self, request: AgentLaunch) -> Launched:
        """Start an agent; see ``core.launchers.AgentLauncher``."""
        key = request.idempotency_key
        checked = replace(
            request,
            input=payload_of(request.input, "input"),
            metadata=payload_of(request.metadata, "metadata"),
            idempotency_key=None if key is None else usable_key(key),
        )
        return await self._engine.agents.start(checked)

    async def signal(self, tenant_id: UUID, agent_id: UUID, name: str, value: Json) -> bool:
        """Queue a signal; see ``core.launchers.AgentLauncher``."""
        call = SendSignalCall(tenant_id, agent_id, name_field(name, "name"), payload_of(value, "value"))
        return (await self._engine.agents.submit(call)).resumed


def usable_key(key: IdempotencyKey) -> IdempotencyKey:
    """Return the checked key of a plugin.

    Raises:
        InvalidInput: the key is empty or too long, or its time to live is out of range.
    """
    return checked_key(key.key, int(key.ttl.total_seconds()))
