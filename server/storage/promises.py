"""Promises in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.named_queries import named_queries
from server.domain.promise import NewPromise, PromiseOutcome, PromiseRef, PromiseStatus, Settlement
from server.storage.columns import columns
from server.storage.workflows import WorkflowKey, key_columns

_SQL = named_queries(__package__, "promises.sql")


@dataclass(frozen=True, slots=True)
class StoredPromise:
    """A promise that was found or changed."""

    tenant_id: UUID
    id: UUID
    workflow_id: UUID
    name: str


class PromiseRepository:
    """Reads and writes ``promise``, inside the transactions of others: their workflows are locked first."""

    async def insert(self, connection: Any, promises: Sequence[NewPromise]) -> None:
        """Insert promises; their time-outs begin now."""
        await connection.execute(
            _SQL["insert"], columns(promises, "tenant_id", "id", "workflow_id", "name", "timeout_ms")
        )

    async def named(
        self, connection: Any, references: Sequence[tuple[UUID, UUID, str]]
    ) -> list[tuple[StoredPromise, bool]]:
        """Return the promises that runs name, by id or by name, and whether they are pending, oldest first."""
        parameters = {
            "tenant_id": [reference[0] for reference in references],
            "workflow_id": [reference[1] for reference in references],
            "reference": [reference[2] for reference in references],
        }
        rows = await (await connection.execute(_SQL["named"], parameters)).fetchall()
        return [(StoredPromise(row[0], row[2], row[1], row[3]), row[4]) for row in rows]

    async def find(self, connection: Any, refs: Sequence[PromiseRef]) -> list[tuple[UUID, UUID] | None]:
        """Return promise and run of each reference; None where there is no such promise."""
        parameters = columns(refs, "tenant_id", "id", "workflow_id", "name", "key")
        rows = await (await connection.execute(_SQL["find"], parameters)).fetchall()
        found: list[tuple[UUID, UUID] | None] = [None] * len(refs)
        for place, promise_id, workflow_id in rows:
            found[place - 1] = (promise_id, workflow_id)
        return found

    async def settle(self, connection: Any, settlements: Sequence[Settlement]) -> list[StoredPromise]:
        """Settle promises of locked workflows, each named once; return those that were pending."""
        parameters = columns(settlements, "tenant_id", "promise_id")
        parameters |= columns([each.outcome for each in settlements], "status", "value", "error")
        rows = await (await connection.execute(_SQL["settle"], parameters)).fetchall()
        return [StoredPromise(*row) for row in rows]

    async def outcomes(self, connection: Any, promises: Sequence[tuple[UUID, UUID]]) -> dict[UUID, PromiseOutcome]:
        """Return what promises (tenant and id) of locked workflows were settled with."""
        parameters = {"tenant_id": [each[0] for each in promises], "id": [each[1] for each in promises]}
        rows = await (await connection.execute(_SQL["outcomes"], parameters)).fetchall()
        return {row[0]: PromiseOutcome(PromiseStatus(row[1]), *row[2:]) for row in rows}

    async def abandon_of_workflows(self, connection: Any, workflows: Sequence[WorkflowKey]) -> None:
        """Let the promises of ended workflows be pending no longer."""
        await connection.execute(_SQL["abandon_of_workflows"], key_columns(workflows))

    async def due(self, connection: Any, limit: int) -> list[WorkflowKey]:
        """Return workflows that have promises out of time: those of the ``limit`` that are overdue longest."""
        rows: list[WorkflowKey] = await (await connection.execute(_SQL["due"], {"limit": limit})).fetchall()
        return rows

    async def expire(self, connection: Any, workflows: Sequence[WorkflowKey]) -> list[StoredPromise]:
        """Let the overdue promises of locked workflows run out, and return them in order."""
        rows = await (await connection.execute(_SQL["expire"], key_columns(workflows))).fetchall()
        return [StoredPromise(*row) for row in rows]
