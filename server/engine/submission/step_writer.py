"""Writes the steps of locked workflows: states, events, effects, and the clear-up after the ends of workflows.

There is one statement per kind of effect, and none for a kind without effects: most steps are one statement.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.connection import DatabaseConnection
from server.domain.effects import Effects
from server.domain.submission import WorkflowStep
from server.engine.submission.families import EFFECT_KINDS, FAMILIES
from server.engine.tasks.claims import TaskDispatch
from server.engine.workflows.deliveries import StepDispatch
from server.storage.repositories import Repositories


class StepWriter:
    """Writes inside the transaction that has locked the workflows."""

    def __init__(self, storage: Repositories) -> None:
        self._storage = storage

    async def write(
        self,
        connection: DatabaseConnection,
        steps: Sequence[WorkflowStep],
        dispatch: StepDispatch,
        tasks: TaskDispatch | None = None,
    ) -> None:
        """Write steps; the steps of one workflow must be in order. Without ``tasks``, no step has effects."""
        if not steps:
            return
        await dispatch.apply(connection, steps)
        effects = Effects.gather(step.effects for step in steps if step.effects)
        if effects:
            for kind in EFFECT_KINDS:
                if items := effects.of(kind):
                    assigned = kind.assign(items, tasks) if kind.assign is not None and tasks is not None else items
                    await kind.write(connection, self._storage, assigned)
        # ``has_dependents`` saves the statements for the many workflows that have only events
        ended = [step.state for step in steps if step.state.status.is_terminal and step.state.has_dependents]
        if ended:
            for family in FAMILIES:
                if family.end is not None:
                    await family.end(connection, self._storage, ended)
