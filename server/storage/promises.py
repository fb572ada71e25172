"""Promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.connection import DatabaseConnection
from core.named_queries import named_queries
from server.domain.promise import NewPromise, PromiseOutcome, PromiseRef, PromiseStatus, Settlement
from server.storage.columns import columns
from server.storage.rows import NAMED, fetch, keyed_row, record_row
from server.storage.workflows import WorkflowKey, key_columns

_SQL = named_queries(__package__, "promises.sql")


@dataclass(frozen=True, slots=True)
class StoredPromise:
    """A promise that was found or changed."""

    tenant_id: UUID
    id: UUID
    workflow_id: UUID
    name: str


_PROMISE = record_row(StoredPromise)
_NAMED_PROMISE = keyed_row(StoredPromise, "is_pending")
_OUTCOME = keyed_row(PromiseOutcome, "id", status=PromiseStatus)


class PromiseRepository:
    """Reads and writes ``promise``, in the transactions of its callers, who lock the workflows first."""

    async def insert(self, connection: DatabaseConnection, promises: Sequence[NewPromise]) -> None:
        """Insert promises; their timeouts begin now."""
        await connection.execute(
            _SQL["insert"], columns(promises, "tenant_id", "id", "workflow_id", "name", "timeout_ms")
        )

    async def named(
        self, connection: DatabaseConnection, references: Sequence[tuple[UUID, UUID, str]]
    ) -> list[tuple[StoredPromise, bool]]:
        """Return the promises that workflows name, by id or by name, and whether each is pending, oldest first."""
        parameters = {
            "tenant_id": [reference[0] for reference in references],
            "workflow_id": [reference[1] for reference in references],
            "reference": [reference[2] for reference in references],
        }
        rows = await fetch(connection, _NAMED_PROMISE, _SQL["named"], parameters)
        return [(promise, is_pending) for (is_pending,), promise in rows]

    async def find(self, connection: DatabaseConnection, refs: Sequence[PromiseRef]) -> list[tuple[UUID, UUID] | None]:
        """Return promise and workflow of each reference; None where there is no such promise."""
        parameters = columns(refs, "tenant_id", "id", "workflow_id", "name", "key")
        found: list[tuple[UUID, UUID] | None] = [None] * len(refs)
        for row in await fetch(connection, NAMED, _SQL["find"], parameters):
            found[row.place - 1] = (row.id, row.workflow_id)
        return found

    async def settle(self, connection: DatabaseConnection, settlements: Sequence[Settlement]) -> list[StoredPromise]:
        """Settle promises of locked workflows, each named once; return the ones that were pending."""
        parameters = columns(settlements, "tenant_id", "promise_id")
        parameters |= columns([each.outcome for each in settlements], "status", "value", "error")
        return await fetch(connection, _PROMISE, _SQL["settle"], parameters)

    async def outcomes(
        self, connection: DatabaseConnection, promises: Sequence[tuple[UUID, UUID]]
    ) -> dict[UUID, PromiseOutcome]:
        """Return the outcomes of settled promises (tenant and id) of locked workflows."""
        parameters = {"tenant_id": [each[0] for each in promises], "id": [each[1] for each in promises]}
        rows = await fetch(connection, _OUTCOME, _SQL["outcomes"], parameters)
        return {promise_id: outcome for (promise_id,), outcome in rows}

    async def abandon_of_workflows(self, connection: DatabaseConnection, workflows: Sequence[WorkflowKey]) -> None:
        """Mark the pending promises of ended workflows as abandoned."""
        await connection.execute(_SQL["abandon_of_workflows"], key_columns(workflows))

    async def due(self, connection: DatabaseConnection, limit: int) -> list[WorkflowKey]:
        """Return the workflows of the ``limit`` promises that are overdue longest."""
        rows = await fetch(connection, NAMED, _SQL["due"], {"limit": limit})
        return [(row.tenant_id, row.workflow_execution_id) for row in rows]

    async def expire(self, connection: DatabaseConnection, workflows: Sequence[WorkflowKey]) -> list[StoredPromise]:
        """Mark the overdue promises of locked workflows as timed out, and return them in order."""
        return await fetch(connection, _PROMISE, _SQL["expire"], key_columns(workflows))
