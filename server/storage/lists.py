"""Runs the statements of lists: put together from named parts, planned for their values, and ended at a deadline.

A condition that is not set is not in the statement, and each statement is planned anew: PostgreSQL then chooses
the index by how often the wanted values occur. A prepared statement would be planned once for all values.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from core import unit_of_work
from core.connection import RowFactory
from core.errors import TooBroad
from core.named_queries import joined, named_queries
from core.paging import Paging
from core.plugin_services import Database
from server.database.refusals import StatementTimedOut
from server.storage.rows import SCALAR, Row, fetch_one

LIST_DEADLINE_S: Final = 5.0
"""Seconds after which the search for a page ends."""

COUNT_DEADLINE_S: Final = 1.0
"""Seconds after which the count of a total ends that need not be exact."""

EXACT_DEADLINE_S: Final = 10.0
"""Seconds after which the count of an exact total ends."""

_CONDITION = "with_"
_SQL = named_queries(__package__, "lists.sql")
_DEADLINE, _PRESENT = _SQL["deadline"], _SQL["present_deadline"]


Conditions = Mapping[str, Any]
"""The value of each condition that is set, and ``tenant_id``, which is in the first part of a statement."""


@dataclass(frozen=True, slots=True)
class ListForm:
    """How a statement of a list is put together.

    Attributes:
        beginning: the first part.
        ending: the last part.
        branches: names of parts, each of which is a further condition of one branch of the statement; empty for a
            statement without branches. The parts ``branch`` and ``branch_ordered`` surround each branch.
    """

    beginning: str = "page"
    ending: str = "ordered"
    branches: Sequence[str] = ()


PLAIN: Final = ListForm()


@dataclass(frozen=True, slots=True)
class ListStatements:
    """The statements of one list.

    Attributes:
        queries: the parts: ``page`` or another beginning, ``with_<condition>`` for each condition, ``after`` for the
            rows behind a cursor, ``ordered`` or another end; for the total, ``count_from`` and ``count_to``.
        advice: the conditions that make a search short, for the error of one that takes too long.
    """

    queries: Mapping[str, str]
    advice: str

    async def page(
        self, database: Database, rows: RowFactory[Row], wanted: Conditions, paging: Paging, form: ListForm = PLAIN
    ) -> list[Row]:
        """Return the rows of a page, and one more where there is one.

        Raises:
            TooBroad: the search takes longer than ``LIST_DEADLINE_S``.
        """
        parameters = {**wanted, "limit": paging.fetched, "offset": paging.offset}
        parts = _parts(wanted)
        if paging.after is not None:
            parameters |= {f"after_{number}": key for number, key in enumerate(paging.after)}
            parts.append("after")
        inner = _branches(form.branches, parts, "branch_ordered")
        statement = joined(self.queries, [form.beginning, *inner, form.ending])
        try:
            return await read_within(LIST_DEADLINE_S, database, rows, statement, parameters)
        except StatementTimedOut:
            raise TooBroad(
                f"the search was not over after {LIST_DEADLINE_S:g} s, and was ended; narrow it by {self.advice}"
            ) from None

    def counter(
        self, database: Database, wanted: Conditions, form: ListForm = PLAIN
    ) -> Callable[[int | None], Awaitable[int | None]]:
        """Return the argument ``counted`` of ``Paging.page``."""
        inner = _branches(form.branches, _parts(wanted), "branch_counted")
        several = "_several" if form.branches else ""
        statement = joined(self.queries, [f"count_from{several}", *inner, f"count_to{several}"])

        async def counted(most: int | None) -> int | None:
            seconds = EXACT_DEADLINE_S if most is None else COUNT_DEADLINE_S
            try:
                [total] = await read_within(seconds, database, SCALAR, statement, {**wanted, "most": most})
            except StatementTimedOut:
                if most is not None:
                    return None
                raise TooBroad(
                    f"the count was not over after {seconds:g} s, and was ended; narrow it by {self.advice}, or leave"
                    " count=exact out"
                ) from None
            return int(total)

        return counted


def _branches(branches: Sequence[str], parts: Sequence[str], end: str) -> list[str]:
    """Return the parts between the first and the last one."""
    if not branches:
        return list(parts)
    found: list[str] = []
    for branch in branches:
        found += [*(["or"] if found else []), "branch", branch, *parts, end]
    return found


def conditions(wanted: Any) -> dict[str, Any]:
    """Return the conditions of a filter, a dataclass in which None matches any value."""
    values = {each.name: getattr(wanted, each.name) for each in fields(wanted)}
    return {name: value for name, value in values.items() if value is not None}


def _parts(wanted: Conditions) -> list[str]:
    return [_CONDITION + name for name in wanted if name != "tenant_id"]


async def read_within(
    seconds: float, database: Database, rows: RowFactory[Row], statement: str, parameters: Mapping[str, Any]
) -> list[Row]:
    """Return the rows of a statement.

    Raises:
        StatementTimedOut: the statement takes longer than this.
    """
    async with database.transaction() as connection:
        before = None
        if unit_of_work.current() is not None:  # its transaction goes on after this statement
            before = await fetch_one(connection, SCALAR, _PRESENT)
        await connection.execute(_DEADLINE, {"milliseconds": str(int(seconds * 1000))})
        cursor = await connection.cursor(row_factory=rows).execute(statement, parameters, prepare=False)
        found = await cursor.fetchall()
        if before is not None:
            await connection.execute(_DEADLINE, {"milliseconds": before})
        return found
