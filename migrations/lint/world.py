"""What a plugin's history has made so far: later statements are judged by it.

Only what changes a verdict is kept: which views reach other people's tables, which functions write where,
what has foreign keys to the server's tables, what is indexed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from migrations.lint.cascades import Cascades
from migrations.lint.core_columns import CORE_COLUMNS, SYSTEM_COLUMNS
from migrations.lint.facts import (
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
    Reading,
    Reads,
    Renames,
    Writes,
)
from migrations.lint.names import Name, Ownership, plugin_of

Columns = tuple[str, ...]
_SPACES = {"materialized view": "relation", "index": "relation", "table": "relation", "view": "relation"}


@dataclass(slots=True)
class World:
    """The state after some statements."""

    ownership: Ownership
    objects: set[tuple[str, str]] = field(default_factory=set)
    view_bases: dict[str, set[str]] = field(default_factory=dict)
    body_writes: dict[str, str] = field(default_factory=dict)
    body_locks: dict[str, str] = field(default_factory=dict)
    columns: dict[str, set[str] | None] = field(default_factory=dict)
    cascades: Cascades = field(default_factory=Cascades)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    indexed: set[tuple[str, Columns]] = field(default_factory=set)
    new_tables: set[str] = field(default_factory=set)

    earlier_keys: int = 0

    def copy(self) -> World:
        """Return a state that can go on alone; what is known so far counts as earlier."""
        return World(
            self.ownership,
            set(self.objects),
            dict(self.view_bases),
            dict(self.body_writes),
            dict(self.body_locks),
            {table: columns and set(columns) for table, columns in self.columns.items()},
            self.cascades.copy(),
            list(self.foreign_keys),
            set(self.indexed),
            set(self.new_tables),
            len(self.foreign_keys),
        )

    def update(self, reading: Reading) -> None:
        """Take in what a statement did."""
        for fact in reading.facts:
            self._take(fact)
        made = next((fact for fact in reading.facts if isinstance(fact, Creates)), None)
        if made is not None and made.kind == "view":
            self._view(made.name, reading)
        if made is not None and reading.body:
            for fact in reading.body:
                if isinstance(fact, Writes):
                    self.body_writes.setdefault(fact.name.last, made.name.last)
                elif isinstance(fact, Locks):
                    self.body_locks |= {name.last: made.name.last for name in fact.names}

    def _take(self, fact: Fact) -> None:
        self.cascades.take(fact)
        if isinstance(fact, Creates):
            self._create(fact)
        elif isinstance(fact, HasColumn):
            self._column(fact)
        elif isinstance(fact, ForeignKey):
            self.foreign_keys.append(fact)
        elif isinstance(fact, Indexes):
            self.indexed.add((fact.table.last, fact.columns))
        else:
            self._change(fact)

    def _create(self, fact: Creates) -> None:
        self.objects.add((fact.kind, fact.name.last))
        if fact.kind == "table":
            self.columns.setdefault(fact.name.last, set())
            if not fact.if_missing:
                self.new_tables.add(fact.name.last)

    def _change(self, fact: Fact) -> None:
        if isinstance(fact, CreatesIndexName):
            kind = {"sequence": "sequence", "multirange type": "type"}.get(fact.what, "index")
            self.objects.add((kind, fact.name.last))
        elif isinstance(fact, Renames):
            self._rename(fact)
        elif isinstance(fact, Drops) and fact.verb == "DROP":
            self._drop(fact)
        elif isinstance(fact, DropsPart):
            self._drop_part(fact)
        elif isinstance(fact, Joins):
            self.columns[fact.child.last] = None
            if fact.how == "partition":
                self._inherit_indexes(fact)

    def _column(self, fact: HasColumn) -> None:
        known = self.columns.get(fact.table.last)
        if fact.column is None:
            self.columns[fact.table.last] = None
        elif known is not None:
            known.add(fact.column)

    def _drop_part(self, fact: DropsPart) -> None:
        """Forget the keys that go with a constraint or a column."""
        table, name = fact.table.last, fact.name
        self.foreign_keys = [
            key
            for key in self.foreign_keys
            if key.table.last != table or (name != key.constraint and name not in key.columns)
        ]

    def is_no_column(self, relation: Name, name: str) -> bool:
        """Whether ``relation.name`` is no column, so that PostgreSQL takes it for a call of a function.

        The columns of an own table are known when its whole history is. Of the server's tables only names are judged
        that look like a function's, of several words: an older or newer server may have other columns.
        """
        if name in SYSTEM_COLUMNS or plugin_of(name) is not None:  # a plugin's function is noted as a call
            return False
        if self.ownership.owns(relation):
            known = self.columns.get(relation.last)
            return known is not None and name not in known
        return self.ownership.owner(relation) == "server" and "_" in name and name not in CORE_COLUMNS

    def _inherit_indexes(self, fact: Joins) -> None:
        parent = fact.parent.last
        self.indexed |= {(fact.child.last, columns) for table, columns in self.indexed if table == parent}

    def _rename(self, fact: Renames) -> None:
        old, new = fact.old.last, fact.new.last
        moved = {(kind, name) for kind, name in self.objects if name == old and _same_space(kind, fact.kind)}
        self.objects = (self.objects - moved) | {(kind, new) for kind, _ in moved}
        if fact.kind == "constraint":
            return
        if old in self.columns:
            self.columns[new] = self.columns.pop(old)
        if old in self.view_bases:
            self.view_bases[new] = self.view_bases.pop(old)
        if old in self.new_tables:
            self.new_tables.add(new)
        self.indexed |= {(new, columns) for table, columns in self.indexed if table == old}

    def _drop(self, fact: Drops) -> None:
        name = fact.name.last
        self.objects -= {
            (kind, other) for kind, other in self.objects if other == name and _same_space(kind, fact.kind)
        }
        if _same_space("table", fact.kind):
            self.view_bases.pop(name, None)
            self.new_tables.discard(name)
            self.columns.pop(name, None)
            self.foreign_keys = [key for key in self.foreign_keys if key.table.last != name]

    def _view(self, name: Name, reading: Reading) -> None:
        bases = {
            fact.name.last if self.ownership.owns(fact.name) else ""
            for fact in reading.facts
            if isinstance(fact, Reads)
        }
        self.view_bases[name.last] = bases

    def reaches_others(self, name: str, _seen: frozenset[str] = frozenset()) -> bool:
        """Whether a row written to the view of this name may land in a table that is not the plugin's."""
        if name in _seen:
            return False
        return any(not base or self.reaches_others(base, _seen | {name}) for base in self.view_bases.get(name, ()))

    def has_index(self, key: ForeignKey) -> bool:
        """Whether an index begins with one of the key's columns."""
        return any(
            table == key.table.last and columns[:1] and columns[0] in key.columns for table, columns in self.indexed
        )


def _same_space(one: str, other: str) -> bool:
    return _SPACES.get(one, one) == _SPACES.get(other, other)
