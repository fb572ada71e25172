"""What the readers say about a statement: what it makes, changes, names and calls.

Readers only describe; the rules judge. So a new rule needs no new reader, and the core migrations'
rules judge the same facts as the plugins'.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from migrations.lint.names import Name


@dataclass(frozen=True, slots=True)
class Fact:
    """Base of all facts; ``at`` is the place in the file that a finding points at."""

    at: int


@dataclass(frozen=True, slots=True)
class Refused(Fact):
    """Something that a rule forbids by its form alone."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Creates(Fact):
    """An object of its own name space: table, view, index, sequence, type, function …"""

    kind: str
    name: Name
    replaces: bool = False
    if_missing: bool = False


@dataclass(frozen=True, slots=True)
class CreatesIndexName(Fact):
    """A constraint or clause that makes an object of the given name beside a table."""

    what: str
    name: Name


@dataclass(frozen=True, slots=True)
class Changes(Fact):
    """A statement that alters or decorates something that exists."""

    kind: str
    name: Name
    action: str


@dataclass(frozen=True, slots=True)
class Renames(Fact):
    """A rename within a schema; ``kind`` may be ``constraint``."""

    kind: str
    old: Name
    new: Name


@dataclass(frozen=True, slots=True)
class Drops(Fact):
    """One item of a DROP or TRUNCATE."""

    verb: str
    kind: str
    name: Name


@dataclass(frozen=True, slots=True)
class DropsPart(Fact):
    """A column or a constraint that an ALTER takes away."""

    kind: str
    table: Name
    name: str


@dataclass(frozen=True, slots=True)
class Joins(Fact):
    """Inheritance, partitioning or a copied shape: ``how`` says which."""

    child: Name
    parent: Name
    how: str


@dataclass(frozen=True, slots=True)
class ForeignKey(Fact):
    """A reference from ``table`` (its columns, empty when unknown) to ``target``."""

    table: Name
    columns: tuple[str, ...]
    target: Name
    on_delete: str


@dataclass(frozen=True, slots=True)
class Indexes(Fact):
    """Columns of a table that an index, a primary key or a unique constraint begins with."""

    table: Name
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reads(Fact):
    """A relation in a FROM clause."""

    name: Name
    alias: str


@dataclass(frozen=True, slots=True)
class Locks(Fact):
    """A ``FOR UPDATE`` or ``FOR SHARE`` over relations."""

    names: tuple[Name, ...]
    mode: str


@dataclass(frozen=True, slots=True)
class Writes(Fact):
    """The real target of an INSERT, UPDATE, DELETE or MERGE."""

    verb: str
    name: Name


@dataclass(frozen=True, slots=True)
class Calls(Fact):
    """A function that the statement, or a body that it makes, calls."""

    name: Name


@dataclass(frozen=True, slots=True)
class UsesType(Fact):
    """A type that is named in a column, a cast, an argument; ``shape_of`` marks ``table%ROWTYPE``."""

    name: Name
    copied: bool = False


@dataclass(frozen=True, slots=True)
class NamesSequence(Fact):
    """The argument of ``nextval`` and its kin, or a ``regclass`` literal; None when not a plain literal."""

    function: str
    name: Name | None


@dataclass(frozen=True, slots=True)
class Triggers(Fact):
    """A trigger on a table, run by a function."""

    table: Name
    function: Name


@dataclass(frozen=True, slots=True)
class Columns(Fact):
    """A column or type change that matters to rows that exist."""

    table: Name
    column: str
    change: str


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
