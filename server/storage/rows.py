"""Reads the rows of a result by the names of their columns.

A statement may list its columns in any order, but their names must be the fields of the record. A difference is an
error when the statement runs: no value gets into the wrong field. The names are compared once for each kind of result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from core.connection import DatabaseConnection, RowFactory
from core.plugin_services import Database
from server.database.rows import NAMED, SCALAR

__all__ = ["NAMED", "SCALAR", "ColumnsDifferError", "Row", "fetch", "fetch_one", "keyed_row", "read", "record_row"]

Row = TypeVar("Row")

_MakeRow = Callable[[Sequence[Any]], Any]


class ColumnsDifferError(TypeError):
    """The columns of a statement are not the fields of the record that its rows become."""


def record_row(record: type[Row], **conversions: Callable[[Any], Any]) -> RowFactory[Row]:
    """Return a row factory for a dataclass whose fields are the columns; ``conversions`` are applied by field."""
    makers: dict[tuple[bytes, ...], _MakeRow] = {}

    def factory(cursor: Any) -> Callable[[Sequence[Any]], Row]:
        names = _names(cursor)
        maker = makers.get(names)
        if maker is None:
            maker = makers[names] = _record_maker(record, _texts(names), conversions)
        return maker

    return factory


def keyed_row(
    record: type[Row], *keys: str, **conversions: Callable[[Any], Any]
) -> RowFactory[tuple[tuple[Any, ...], Row]]:
    """Return a row factory for rows with more columns than the record has fields.

    Each row becomes a pair: the values of the columns ``keys``, and the record made of the other columns.
    """
    makers: dict[tuple[bytes, ...], _MakeRow] = {}

    def factory(cursor: Any) -> Callable[[Sequence[Any]], tuple[tuple[Any, ...], Row]]:
        names = _names(cursor)
        maker = makers.get(names)
        if maker is None:
            maker = makers[names] = _keyed_maker(record, keys, _texts(names), conversions)
        return maker

    return factory


async def fetch(
    connection: DatabaseConnection, rows: RowFactory[Row], query: str, parameters: Mapping[str, Any] | None = None
) -> list[Row]:
    """Run a statement and return its rows."""
    return await (await connection.cursor(row_factory=rows).execute(query, parameters)).fetchall()


async def fetch_one(
    connection: DatabaseConnection, rows: RowFactory[Row], query: str, parameters: Mapping[str, Any] | None = None
) -> Row | None:
    """Run a statement and return its first row; None without any."""
    return await (await connection.cursor(row_factory=rows).execute(query, parameters)).fetchone()


async def read(
    database: Database, rows: RowFactory[Row], query: str, parameters: Mapping[str, Any] | None = None
) -> list[Row]:
    """Run a statement on a connection of its own and return its rows."""
    async with database.connection() as connection:
        return await fetch(connection, rows, query, parameters)


def _names(cursor: Any) -> tuple[bytes, ...]:
    """Return the names of the result's columns; none for a statement that returns no rows."""
    result = cursor.pgresult
    return tuple([result.fname(index) for index in range(result.nfields)])


def _texts(names: tuple[bytes, ...]) -> list[str]:
    return [name.decode() for name in names]


def _record_maker(record: type[Any], names: Sequence[str], conversions: Mapping[str, Callable[[Any], Any]]) -> _MakeRow:
    wanted = [field.name for field in fields(record)]
    if not names:
        return record  # the statement returns no rows: never called
    if sorted(names) != sorted(wanted):
        differ = ", ".join(sorted(set(names) ^ set(wanted))) or "one of them twice"
        raise ColumnsDifferError(f"the columns of a statement are not the fields of {record.__name__}: {differ}")
    order = [names.index(name) for name in wanted]
    converted = [(wanted.index(name), convert) for name, convert in conversions.items()]
    if not converted and order == list(range(len(order))):
        return lambda values: record(*values)

    def make(values: Sequence[Any]) -> Any:
        arguments = [values[index] for index in order]
        for index, convert in converted:
            arguments[index] = convert(arguments[index])
        return record(*arguments)

    return make


def _keyed_maker(
    record: type[Any], keys: Sequence[str], names: Sequence[str], conversions: Mapping[str, Callable[[Any], Any]]
) -> _MakeRow:
    if not names:
        return record  # as above
    others = [index for index, name in enumerate(names) if name not in keys]
    make_record = _record_maker(record, [names[index] for index in others], conversions)
    places = [names.index(key) for key in keys]

    def make(values: Sequence[Any]) -> Any:
        return tuple([values[index] for index in places]), make_record([values[index] for index in others])

    return make
