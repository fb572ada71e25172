"""The answers of calls that may be sent again, in the database; see ``server.engine.repeats``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.named_queries import named_queries
from core.plugin_services import Database

_SQL = named_queries(__package__, "call_answers.sql")


@dataclass(frozen=True, slots=True)
class CallHash:
    """Which call it is: of one tenant, and the hash of its caller, operation and key."""

    tenant_id: UUID
    call_hash: bytes


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What is stored of a call.

    Attributes:
        content_hash: of what was sent.
        answer: as the API that gave it wrote it; None where it held a secret.
        resource_id: the thing that the call was about or made, where that is known.
    """

    content_hash: bytes
    answer: bytes | None
    resource_id: str | None


class CallAnswerRepository:
    """Reads and writes ``call_answer``."""

    def __init__(self, database: Database) -> None:
        """Take the pool."""
        self._database = database

    async def lock(self, connection: Any, call: CallHash) -> None:
        """Wait until nobody else carries the call out, and keep others from it until the transaction ends."""
        await connection.execute(_SQL["lock"], {"call_hash": call.call_hash})

    async def find(self, connection: Any, call: CallHash) -> KeptAnswer | None:
        """Return what is stored of the call, unless it has expired."""
        parameters = {"tenant_id": call.tenant_id, "call_hash": call.call_hash}
        row = await (await connection.execute(_SQL["find"], parameters)).fetchone()
        return None if row is None else KeptAnswer(*row)

    async def keep(self, connection: Any, call: CallHash, answer: KeptAnswer, seconds: float) -> None:
        """Store the answer of a call for so many seconds, in the place of an older one."""
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
        async with self._database.connection() as connection:
            return len(await (await connection.execute(_SQL["clean"], {"limit": limit})).fetchall())
