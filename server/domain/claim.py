"""A claim: the right of one poll to one piece of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4


@dataclass(frozen=True, slots=True)
class Claim:
    """The claim that a poll makes; it is written to the row of the work that the poll gets.

    Attributes:
        worker_id: the worker's id or name, as the poll says it. Workers share names.
        held_by: the holder: connection and principal. None where a call has no connection.
        process: the number of the server process; None while that process does not hold the lock on its number.
        id: recognises the claim when the server does not know whether it was written.
    """

    worker_id: str
    held_by: str | None = None
    process: int | None = None
    id: UUID = field(default_factory=uuid4)


NewClaim = Callable[[str, str | None], Claim]
"""Returns a claim for one poll: gets the worker's id or name, and the holder."""

UNNAMED = Claim("")
"""The claim of a poller that does not say its name."""


@dataclass(frozen=True, slots=True)
class Released:
    """A claim that was released, and the place where its work is pending again."""

    id: UUID
    tenant_id: UUID
    queue: str
    kind: str

    @property
    def queue_key(self) -> tuple[UUID, str]:
        """Tenant and queue."""
        return (self.tenant_id, self.queue)
