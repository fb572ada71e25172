"""Reads promises for REST: pages of those of a workflow, or of the pending ones of a tenant."""

from __future__ import annotations

from core.named_queries import named_queries
from core.paging import PageMembers, Paging, Position
from core.plugin_services import Database
from server.domain.promise_view import PromiseFilter, PromiseView
from server.storage.lists import ListStatements, conditions
from server.storage.rows import record_row

_LIST = ListStatements(named_queries(__package__, "promise_views.sql"), "workflowExecutionId")
_PROMISE = record_row(PromiseView)


def _position(promise: PromiseView) -> Position:
    return (promise.ordinal,)


class PromiseViewRepository:
    """Reads ``promise``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, wanted: PromiseFilter, paging: Paging) -> tuple[list[PromiseView], PageMembers]:
        """Return a page of promises, newest first, and the members of its answer.

        Raises:
            TooBroad: the search or the exact count takes too long.
        """
        rows = await _LIST.page(self._database, _PROMISE, conditions(wanted), paging)
        return await paging.page(rows, _position, _LIST.counter(self._database, conditions(wanted)))
