"""Reads the queues of a tenant that have work, for REST."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from core.named_queries import named_queries
from core.paging import MAX_COUNTED
from core.plugin_services import Database
from server.domain.queue_view import QueueView
from server.domain.worker import Category
from server.storage.lists import LIST_DEADLINE_S, read_within
from server.storage.rows import record_row

MAX_QUEUES: Final = 1000
"""Queues of each category that are read at most."""

_SQL = named_queries(__package__, "queues.sql")
_QUEUE = record_row(QueueView, category=Category)


class QueueRepository:
    """Reads pending and running work by queue; a worker is online until its heartbeat is ``silence`` seconds old."""

    def __init__(self, database: Database, silence: float) -> None:
        self._database = database
        self._silence = silence

    async def queues(self, tenant_id: UUID) -> list[QueueView]:
        """Return the queues that have pending or running work, by category and name.

        Raises:
            Unavailable: the search took too long.
        """
        parameters = {
            "tenant_id": tenant_id,
            "silence": self._silence,
            "queues": MAX_QUEUES,
            "most": MAX_COUNTED + 1,
        }
        found: list[QueueView] = []
        for category in Category:
            statement, asked = _SQL[category.lower()], {**parameters, "category": category}
            found += await read_within(LIST_DEADLINE_S, self._database, _QUEUE, statement, asked)
        return found
