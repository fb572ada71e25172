"""Connections of the database as ``core``, plugins and the engine see them: no name of the driver is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

Row = TypeVar("Row")

RowFactory = Callable[[Any], Callable[[Sequence[Any]], Row]]
"""Returns, for a cursor with a result, the function that makes a ``Row`` of the values of one row (psycopg.rows)."""


class DatabaseCursor(Protocol[Row]):
    """A statement and its result."""

    @property
    def rowcount(self) -> int:
        """The number of rows that the statement returned or changed."""

    async def execute(
        self, query: str, params: Mapping[str, Any] | None = None, /, *, prepare: bool | None = None
    ) -> DatabaseCursor[Row]:
        """Run a statement; its result replaces the one before."""

    async def fetchone(self) -> Row | None:
        """Return the next row; None after the last."""

    async def fetchall(self) -> list[Row]:
        """Return all remaining rows."""


class DatabaseConnection(Protocol):
    """A psycopg ``AsyncConnection`` (autocommit, rows as tuples), as far as most code needs it."""

    async def execute(
        self, query: str, params: Mapping[str, Any] | None = None, /, *, prepare: bool | None = None
    ) -> DatabaseCursor[tuple[Any, ...]]:
        """Run a statement with named parameters."""

    def cursor(self, *, row_factory: RowFactory[Row]) -> DatabaseCursor[Row]:
        """Return a cursor whose rows ``row_factory`` makes."""

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Open a transaction, or a savepoint inside of one."""
