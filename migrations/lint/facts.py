"""The facts that readers note about a statement: the objects that it makes, changes, names and calls.

Readers only describe; the rules judge. So a new rule needs no new reader, and the core migrations'
rules judge the same facts as the plugins'. Tuples, because twenty dataclasses take longer to make than to use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from migrations.lint.names import Name


class Refused(NamedTuple):
    """Something that a rule forbids by its form alone."""

    at: int
    rule: str
    message: str


class Creates(NamedTuple):
    """An object of its own name space: table, view, index, sequence, type or function."""

    at: int
    kind: str
    name: Name
    replaces: bool = False
    if_missing: bool = False
    volatile: bool = False


class CreatesIndexName(NamedTuple):
    """A constraint or clause that makes an object of the given name beside a table."""

    at: int
    what: str
    name: Name


class Changes(NamedTuple):
    """A statement that alters or decorates something that exists."""

    at: int
    kind: str
    name: Name
    action: str


class Renames(NamedTuple):
    """A rename within a schema; ``kind`` may be ``constraint``."""

    at: int
    kind: str
    old: Name
    new: Name


class Drops(NamedTuple):
    """One item of a DROP or TRUNCATE; ``part`` is the trigger or policy of the table ``name``."""

    at: int
    verb: str
    kind: str
    name: Name
    part: str = ""


class DropsPart(NamedTuple):
    """A column or a constraint that an ALTER takes away."""

    at: int
    kind: str
    table: Name
    name: str


class Joins(NamedTuple):
    """Inheritance, partitioning or a copied shape: ``how`` says which."""

    at: int
    child: Name
    parent: Name
    how: str


class ForeignKey(NamedTuple):
    """A reference from ``table`` (its columns, empty when unknown) to ``target``.

    ``cleared`` are the columns that SET NULL empties; ``earlier`` marks a key that an earlier file made.
    """

    at: int
    table: Name
    columns: tuple[str, ...]
    target: Name
    on_delete: str
    on_update: str = ""
    label: str = ""
    cleared: tuple[str, ...] = ()
    earlier: bool = False

    @property
    def constraint(self) -> str:
        """The constraint's name, as PostgreSQL derives it when none is given."""
        return self.label or f"{self.table.last}_{'_'.join(self.columns)}_fkey"

    def goes_with(self, part: DropsPart) -> bool:
        """Whether the key goes with a column or constraint that is dropped."""
        return part.table.last == self.table.last and (part.name == self.constraint or part.name in self.columns)


class Indexes(NamedTuple):
    """An index of all rows that finds equal values: its columns, and its name where that is known."""

    at: int
    table: Name
    columns: tuple[str, ...]
    name: str = ""


class Reads(NamedTuple):
    """A relation in a FROM clause."""

    at: int
    name: Name
    alias: str


class Locks(NamedTuple):
    """A ``FOR UPDATE`` or ``FOR SHARE`` over relations."""

    at: int
    names: tuple[Name, ...]
    mode: str


class Writes(NamedTuple):
    """The real target of an INSERT, UPDATE, DELETE or MERGE."""

    at: int
    verb: str
    name: Name


class Calls(NamedTuple):
    """A function that the statement, or a body that it makes, calls; ``arguments`` is their number, where known."""

    at: int
    name: Name
    arguments: int | None = None


class UsesType(NamedTuple):
    """A type that is named in a column, a cast, an argument.

    ``copied`` marks ``table.column%TYPE`` and names inside a body that PostgreSQL keeps as text, ``declared`` the type
    of a variable of such a body.
    """

    at: int
    name: Name
    copied: bool = False
    declared: bool = False


class UsesRow(NamedTuple):
    """A whole row of a relation as a value, not taken apart: its type is the relation's."""

    at: int
    relation: Name


class Attribute(NamedTuple):
    """``alias.name`` of a relation: a column, or else a call of a function of that name."""

    at: int
    relation: Name
    name: str


class ReadsSetting(NamedTuple):
    """The argument of ``current_setting``; None when not a plain literal."""

    at: int
    setting: str | None


class Notifies(NamedTuple):
    """A call of ``pg_notify``: the channel, or the beginning of its name, and None when it is not known."""

    at: int
    channel: str | None
    whole: bool


class NamesSequence(NamedTuple):
    """The argument of ``nextval`` and its kin, or a ``regclass`` literal; None when not a plain literal."""

    at: int
    function: str
    name: Name | None


class Concurrent(NamedTuple):
    """A statement that builds or drops without blocking, outside of a transaction; ``fault`` speaks against it."""

    at: int
    what: str
    fault: str = ""


class Triggers(NamedTuple):
    """A trigger on a table, run by a function; ``columns`` are those behind UPDATE OF."""

    at: int
    table: Name
    function: Name
    name: str = ""
    timing: str = ""
    events: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    each_row: bool = False
    conditional: bool = False


class Body(NamedTuple):
    """A function's body, which PostgreSQL keeps as text; ``language`` is sql or plpgsql."""

    at: int
    function: Name
    text: str
    language: str


class HasColumn(NamedTuple):
    """A column of a table by its name and type; None when the table has columns that the statement does not name."""

    at: int
    table: Name
    column: str | None
    type: str = ""


class ParsedBody(NamedTuple):
    """A routine whose body PostgreSQL keeps parsed, and so depends on what it reads."""

    at: int


class Columns(NamedTuple):
    """A property of a column, table or domain that matters to rows that exist.

    ``type`` is the column's type with its size, ``calls`` are the functions that a default calls, ``converts`` marks a
    change of type by USING.
    """

    at: int
    table: Name
    column: str
    change: str
    type: str = ""
    calls: tuple[str, ...] = ()
    converts: bool = False


Fact = (
    Refused
    | Creates
    | CreatesIndexName
    | Changes
    | Renames
    | Drops
    | DropsPart
    | Joins
    | ForeignKey
    | Indexes
    | Reads
    | Locks
    | Writes
    | Calls
    | UsesType
    | UsesRow
    | Attribute
    | ReadsSetting
    | Notifies
    | NamesSequence
    | Concurrent
    | Triggers
    | Body
    | HasColumn
    | ParsedBody
    | Columns
)
"""One thing that a statement does; ``at`` is the place in the file that a finding points at."""


@dataclass(slots=True)
class Reading:
    """All that the readers found out about one statement.

    Attributes:
        form: the statement's form in upper case, such as ``CREATE TABLE``.
        facts: what the statement does itself.
        body: what the function that it makes does when it is called.
        failure: where and why reading stopped, if it did.
        labels: local names: columns, aliases, constraints, operator classes.
    """

    form: str = ""
    facts: list[Fact] = field(default_factory=list)
    body: list[Fact] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    failure: tuple[int, str] | None = None
