"""The state of a plugin's schema after some statements, as far as it changes a verdict on later ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from migrations.lint.cascades import Cascades
from migrations.lint.core_columns import CORE_COLUMNS, SYSTEM_COLUMNS
from migrations.lint.facts import (
    Body,
    Calls,
    Columns,
    Creates,
    CreatesIndexName,
    Drops,
    DropsPart,
    Fact,
    ForeignKey,
    HasColumn,
    Indexes,
    Joins,
    Locks,
    ParsedBody,
    Reading,
    Reads,
    Renames,
    Writes,
)
from migrations.lint.functions import VOLATILE
from migrations.lint.names import Name, Ownership, plugin_of

_SPACES = {"materialized view": "relation", "index": "relation", "table": "relation", "view": "relation"}
_MADE_BESIDE = {"sequence": "sequence", "multirange type": "type"}


@dataclass(slots=True)
class World:
    """The state after some statements.

    Attributes:
        ownership: tells the plugin's names from others.
        objects: kind and name of each object that is there.
        view_bases: the own tables and views below each own view; an empty name stands for tables of others.
        body_writes: the tables that own functions write, and a function that does.
        body_locks: the same for row locks.
        columns: the type of each column of each table; None where a statement gave the table unnamed columns.
        required: table and column of each column that is NOT NULL.
        cascades: keys, triggers and partitions.
        indexes: what each index begins with.
        volatile: functions without IMMUTABLE or STABLE.
        constrained: domains with a constraint.
        unlogged: unlogged tables and sequences, with the place in this file, or -1 for earlier ones.
        pinned: views and parsed bodies of this file over tables of the server: place, kind, tables.
        new_tables: tables that this file made.
    """

    ownership: Ownership
    objects: set[tuple[str, str]] = field(default_factory=set)
    view_bases: dict[str, set[str]] = field(default_factory=dict)
    body_writes: dict[str, str] = field(default_factory=dict)
    body_locks: dict[str, str] = field(default_factory=dict)
    columns: dict[str, dict[str, str] | None] = field(default_factory=dict)
    required: set[tuple[str, str]] = field(default_factory=set)
    cascades: Cascades = field(default_factory=Cascades)
    indexes: list[Indexes] = field(default_factory=list)
    volatile: set[str] = field(default_factory=set)
    constrained: set[str] = field(default_factory=set)
    unlogged: dict[str, int] = field(default_factory=dict)
    pinned: dict[str, tuple[int, str, list[str]]] = field(default_factory=dict)
    new_tables: set[str] = field(default_factory=set)

    def copy(self) -> World:
        """Return a state that can go on alone."""
        return World(**{each.name: _copied(getattr(self, each.name)) for each in fields(self)})

    def begin_file(self) -> None:
        """Count all that is known so far as earlier."""
        self.new_tables.clear()
        self.pinned.clear()
        self.unlogged = dict.fromkeys(self.unlogged, -1)
        self.cascades.keys = [key._replace(earlier=True) for key in self.cascades.keys]

    def update(self, reading: Reading) -> None:
        """Add the effects of a statement."""
        for fact in reading.facts:
            self.cascades.update(fact)
            handler = self._handlers.get(type(fact))
            if handler is not None:
                handler(self, fact)
        made = next((fact for fact in reading.facts if isinstance(fact, Creates)), None)
        if made is not None:
            self._note_queries(made, reading)

    def _note_queries(self, made: Creates, reading: Reading) -> None:
        """Note the relations that a view's query and a function's body use."""
        name = made.name.last
        if made.volatile and _is_constant(reading):
            self.volatile.discard(name)
        for fact in reading.body:
            if isinstance(fact, Writes):
                self.body_writes.setdefault(fact.name.last, name)
            elif isinstance(fact, Locks):
                self.body_locks |= {locked.last: name for locked in fact.names}
        reads = {fact.name for fact in reading.facts if isinstance(fact, Reads)}
        if made.kind == "view":
            self.view_bases[name] = {read.last if self.ownership.owns(read) else "" for read in reads}
        if any(isinstance(fact, ParsedBody) for fact in reading.facts):
            reads |= {fact.name for fact in reading.body if isinstance(fact, Reads)}
        elif "view" not in made.kind:
            return
        core = sorted({read.last for read in reads if self.ownership.owner(read) == "server"})
        self.pinned.pop(name, None)
        if core:
            self.pinned[name] = (made.at, made.kind.removeprefix("materialized "), core)

    def _create(self, fact: Creates) -> None:
        name = fact.name.last
        self.objects.add((fact.kind, name))
        if fact.kind == "table":
            self.columns.setdefault(name, {})
            if not fact.if_missing:
                self.new_tables.add(name)
        elif fact.volatile:
            self.volatile.add(name)
        else:
            self.volatile.discard(name)

    def _create_beside(self, fact: CreatesIndexName) -> None:
        self.objects.add((_MADE_BESIDE.get(fact.what, "index"), fact.name.last))

    def _column(self, fact: HasColumn) -> None:
        known = self.columns.get(fact.table.last)
        if fact.column is None:
            self.columns[fact.table.last] = None
        elif known is not None:
            known[fact.column] = fact.type

    def _change_column(self, fact: Columns) -> None:
        table, change = fact.table.last, fact.change
        if change == "not null":
            self.required.add((table, fact.column))
        elif change == "null":
            self.required.discard((table, fact.column))
        elif change == "constrained":
            self.constrained.add(table)
        elif change == "unlogged":
            self.unlogged.setdefault(table, fact.at)
        elif change == "logged":
            self.unlogged.pop(table, None)
        elif change.startswith("type "):
            self._column(HasColumn(fact.at, fact.table, fact.column, fact.type))

    def _index(self, fact: Indexes) -> None:
        self.indexes.append(fact)

    def _join(self, fact: Joins) -> None:
        if fact.how in ("partition", "indexed like"):
            copies = [each for each in self.indexes if each.table.last == fact.parent.last]
            self.indexes += [each._replace(table=fact.child, name="") for each in copies]
        self.columns[fact.child.last] = None

    def _drop_part(self, fact: DropsPart) -> None:
        table, name = fact.table.last, fact.name
        self.indexes = [
            each
            for each in self.indexes
            if each.table.last != table or (each.name != name and name not in each.columns)
        ]

    def _rename(self, fact: Renames) -> None:
        old, new = fact.old.last, fact.new.last
        moved = {(kind, name) for kind, name in self.objects if name == old and _same_space(kind, fact.kind)}
        self.objects = (self.objects - moved) | {(kind, new) for kind, _ in moved}
        if fact.kind == "constraint":
            return
        named: list[dict[str, Any]] = [self.columns, self.view_bases, self.unlogged, self.pinned]
        for known in named:
            if old in known:
                known[new] = known.pop(old)
        if old in self.new_tables:
            self.new_tables.add(new)
        self.required |= {(new, column) for table, column in self.required if table == old}
        self.indexes = [
            each._replace(
                table=fact.new if each.table.last == old else each.table, name=new if each.name == old else each.name
            )
            for each in self.indexes
        ]

    def _drop(self, fact: Drops) -> None:
        if fact.verb != "DROP":
            return
        name = fact.name.last
        gone = {(kind, other) for kind, other in self.objects if other == name and _same_space(kind, fact.kind)}
        self.objects -= gone
        self.pinned.pop(name, None)
        if fact.kind == "index":
            self.indexes = [each for each in self.indexes if each.name != name]
        elif fact.kind == "sequence":
            self.unlogged.pop(name, None)
        elif _same_space("table", fact.kind):
            self.view_bases.pop(name, None)
            self.new_tables.discard(name)
            self.columns.pop(name, None)
            self.unlogged.pop(name, None)
            self.required = {each for each in self.required if each[0] != name}
            self.indexes = [each for each in self.indexes if each.table.last != name]

    _handlers: ClassVar[dict[type[Fact], Any]] = {
        Creates: _create,
        CreatesIndexName: _create_beside,
        HasColumn: _column,
        Columns: _change_column,
        Indexes: _index,
        Joins: _join,
        DropsPart: _drop_part,
        Renames: _rename,
        Drops: _drop,
    }

    def is_no_column(self, relation: Name, name: str) -> bool:
        """Whether ``relation.name`` is no column, so that PostgreSQL reads it as a call of a function.

        The columns of an own table are known when its whole history is. Of the server's tables only names of several
        words are judged, which look like a function's: an older or newer server may have other columns.
        """
        if name in SYSTEM_COLUMNS or plugin_of(name) is not None:  # a plugin's function is noted as a call
            return False
        if self.ownership.owns(relation):
            known = self.columns.get(relation.last)
            return known is not None and name not in known
        return self.ownership.owner(relation) == "server" and "_" in name and name not in CORE_COLUMNS

    def reaches_others(self, name: str, _seen: frozenset[str] = frozenset()) -> bool:
        """Whether a row written to the view of this name may land in a table that is not the plugin's."""
        if name in _seen:
            return False
        return any(not base or self.reaches_others(base, _seen | {name}) for base in self.view_bases.get(name, ()))

    def new_keys(self) -> Iterator[ForeignKey]:
        """Yield the foreign keys of this file from own tables to the server's."""
        for key in self.cascades.keys:
            if key.earlier or not self.ownership.owns(key.table):
                continue
            if self.ownership.owner(key.target) == "server":
                yield key

    def serves(self, key: ForeignKey) -> bool:
        """Whether an index begins with one of the key's columns, or the key is not there any more."""
        still = next((each for each in self.cascades.keys if each.constraint == key.constraint), None)
        return still is None or any(
            each.table.last == still.table.last and each.columns[0] in still.columns for each in self.indexes
        )


def _is_constant(reading: Reading) -> bool:
    """Whether a function in SQL is so plain that PostgreSQL puts its expression in the place of the call."""
    calls = {fact.name.last for fact in reading.body if isinstance(fact, Calls)}
    others = any(isinstance(fact, Reads | Writes) for fact in reading.body)
    in_steps = any(isinstance(fact, Body) and fact.language == "plpgsql" for fact in reading.facts)
    return not others and calls.isdisjoint(VOLATILE) and not in_steps


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: dict(each) if isinstance(each, dict) else each for key, each in value.items()}
    return value.copy() if isinstance(value, set | list | Cascades) else value


def _same_space(one: str, other: str) -> bool:
    return _SPACES.get(one, one) == _SPACES.get(other, other)
