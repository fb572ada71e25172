"""The answers of calls that may be sent again; see ``server.engine.repeats``."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from core.connection import DatabaseConnection
from core.named_queries import named_queries
from core.plugin_services import Database
from server.storage.rows import SCALAR, fetch_one, read, record_row

_SQL = named_queries(__package__, "call_answers.sql")


@dataclass(frozen=True, slots=True)
class CallHash:
    """The identity of a call: its tenant, and the hash of its caller, operation and idempotency key."""

    tenant_id: UUID
    call_hash: bytes


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The stored answer of a call.

    Attributes:
        content_hash: the hash of the request's content.
        answer: the answer as REST or gRPC sent it; None where it held a secret.
        resource_id: the resource that the call named or created, where that is known.
    """

    content_hash: bytes
    answer: bytes | None
    resource_id: str | None


_ANSWER = record_row(KeptAnswer)


class CallAnswerRepository:
    """Reads and writes ``call_answer``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lock(self, connection: DatabaseConnection, call: CallHash) -> None:
        """Wait for the lock of the call, and hold it until the transaction ends: one copy of a call runs at a time."""
        await connection.execute(_SQL["lock"], {"call_hash": call.call_hash})

    async def find(self, connection: DatabaseConnection, call: CallHash) -> KeptAnswer | None:
        """Return the stored answer of the call; None without one, or when it has expired."""
        parameters = {"tenant_id": call.tenant_id, "call_hash": call.call_hash}
        return await fetch_one(connection, _ANSWER, _SQL["find"], parameters)

    async def keep(self, connection: DatabaseConnection, call: CallHash, answer: KeptAnswer, seconds: float) -> None:
        """Store the answer of a call for ``seconds``; it replaces an older one."""
        parameters = {
            "tenant_id": call.tenant_id,
            "call_hash": call.call_hash,
            "content_hash": answer.content_hash,
            "answer": answer.answer,
            "resource_id": answer.resource_id,
            "keep": seconds,
        }
        await connection.execute(_SQL["keep"], parameters)

    async def clean(self, limit: int) -> int:
        """Delete up to ``limit`` expired answers; return how many."""
        return len(await read(self._database, SCALAR, _SQL["clean"], {"limit": limit}))
