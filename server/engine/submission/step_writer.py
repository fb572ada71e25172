"""Writes the steps of locked workflows: states, events, new tasks, timers and promises, and the ends of workflows.

One statement per kind of thing that is there, none otherwise: most steps are one statement.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from core.connection import DatabaseConnection
from server.domain.audit_event import cancellations_requested
from server.domain.effects import Effects
from server.domain.idempotency import KeyClaim
from server.domain.submission import WorkflowStep
from server.domain.workflow import WorkflowState, WorkflowStatus
from server.engine.idempotency import claim
from server.storage.repositories import Repositories
from server.storage.workflows import WorkflowKey

_log = logging.getLogger(__name__)


class StepWriter:
    """Writes inside the transaction that has locked the workflows."""

    def __init__(self, storage: Repositories) -> None:
        """Take the storage."""
        self._storage = storage

    async def write(self, connection: DatabaseConnection, steps: Sequence[WorkflowStep]) -> None:
        """Write steps; those of one workflow in order."""
        if not steps:
            return
        await self._storage.workflows.apply(connection, steps)
        effects = Effects.gather(step.effects for step in steps if step.effects)
        if effects:
            await self._write_effects(connection, effects)
        ended = [step.state for step in steps if step.state.status.is_terminal and step.state.has_dependents]
        if ended:
            await self._clear_up(connection, ended)

    async def _write_effects(self, connection: DatabaseConnection, effects: Effects) -> None:
        if effects.timers:
            await self._storage.timers.insert(connection, effects.timers)
        if effects.cancelled_timers:
            await self._storage.timers.cancel(connection, effects.cancelled_timers)
        if effects.promises:
            await self._storage.promises.insert(connection, effects.promises)
        if effects.settlements:
            await self._storage.promises.settle(connection, effects.settlements)
        if effects.claims:
            await self._claim(connection, effects.claims)
        if effects.tasks:
            await self._storage.tasks.insert(connection, effects.tasks)
        if effects.children:
            await self._storage.workflows.insert(connection, effects.children)
        if effects.cancelled_children:
            await self._storage.audit_events.insert(connection, cancellations_requested(effects.cancelled_children))
            await self._storage.cancellations.request_named_children(connection, effects.cancelled_children)

    async def _claim(self, connection: DatabaseConnection, claims: Sequence[KeyClaim]) -> None:
        """Give keys to what commands create; a batch never fails for a key that something else has."""
        holders = await claim(connection, self._storage.keys, claims)
        for each, holder in zip(claims, holders, strict=True):
            if holder.entity_id != each.entity_id:
                _log.warning(
                    "the %s %s does without its idempotency key: the %s %s has it",
                    each.entity.lower(),
                    each.entity_id,
                    holder.entity.lower(),
                    holder.entity_id,
                )

    async def _clear_up(self, connection: DatabaseConnection, ended: Sequence[WorkflowState]) -> None:
        """Clear up after ended workflows. Tasks and children go on, unless the workflow was cancelled."""
        keys = [_key(state) for state in ended]
        await self._storage.timers.abandon_of_workflows(connection, keys)
        await self._storage.promises.abandon_of_workflows(connection, keys)
        await self._storage.cancellations.remove(connection, keys)
        failed = [_key(state) for state in ended if state.status is not WorkflowStatus.COMPLETED]
        if failed:
            await self._storage.keys.forget_workflows(connection, failed)
        cancelled = [_key(state) for state in ended if state.status is WorkflowStatus.CANCELLED]
        if cancelled:
            await self._storage.tasks.cancel_of_workflows(connection, cancelled)


def _key(state: WorkflowState) -> WorkflowKey:
    return (state.tenant_id, state.id)
