"""A claim: it gives one piece of work to one poll."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim that a poll makes; the database writes it to the row of the claimed work.

    Attributes:
        worker_id: the worker's id or name, from the poll's request. Workers may share names.
        held_by: the holder: connection and principal. None where a call has no connection.
        process: the number of the server process; None while that process does not hold the lock on its number.
        id: identifies the claim when the server does not know whether it was written.
    """

    worker_id: str
    held_by: str | None = None
    process: int | None = None
    id: UUID = field(default_factory=uuid4)


NewClaim = Callable[[str, str | None], Claim]
"""Returns the claim of one poll, given the worker's id or name and the holder."""

UNNAMED = Claim("")
"""The claim of a poller without a name."""


@dataclass(frozen=True, slots=True)
class Released:
    """A released claim, and the queue in which its work is pending again."""

    id: UUID
    tenant_id: UUID
    queue: str
    kind: str

    @property
    def queue_key(self) -> tuple[UUID, str]:
        """Tenant and queue."""
        return (self.tenant_id, self.queue)
