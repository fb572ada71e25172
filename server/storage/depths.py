"""How much work is pending, running and overdue in the whole deployment, and how large it is, for metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.named_queries import named_queries
from core.plugin_services import Database
from server.storage.rows import read, record_row

MOST = 100_000
"""The number of rows of each kind that are counted at most."""

MOST_BY_STATUS = 20_000
"""The number of workflows that are counted at most, of those that wait and of those that have ended."""

_SQL = named_queries(__package__, "depths.sql")


@dataclass(frozen=True, slots=True)
class Depth:
    """A number of things, and the age of the oldest of them.

    Attributes:
        subject: ``workflow``, ``task`` and ``agent`` for pending work of a queue; ``running``; ``timer`` for overdue
            ones; ``status`` for the workflows of a status, ``least`` for their least number, where not all were
            counted, and ``estimate`` for the planner's estimate; ``migration`` for one that the database has, whose
            version is the number; ``table`` and ``indexes`` for bytes of a table, ``dead`` for its dead rows;
            ``transaction`` for open ones.
        name: the queue, the category, the status, the owner of the migration, or the table.
        oldest: seconds; None without any, and for estimates.
    """

    subject: str
    tenant_id: UUID | None
    name: str
    number: float
    oldest: float | None


_DEPTH = record_row(Depth)


class DepthRepository:
    """Reads the numbers by one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def depths(self) -> Sequence[Depth]:
        """Return all numbers; queues without pending work are left out."""
        return await read(self._database, _DEPTH, _SQL["depths"], {"limit": MOST, "by_status": MOST_BY_STATUS})
