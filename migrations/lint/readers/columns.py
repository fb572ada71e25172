"""Reads column definitions and constraints, for CREATE TABLE, ALTER TABLE, composite types and domains."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Columns, CreatesIndexName, ForeignKey, HasColumn, Indexes
from migrations.lint.names import Name
from migrations.lint.readers.call import collation
from migrations.lint.readers.expression import in_parens, simple_expression
from migrations.lint.readers.index_elements import elements
from migrations.lint.readers.options import options
from migrations.lint.readers.sequence import options as sequence_options
from migrations.lint.readers.types import type_name

_CONSTRAINT_WORDS = ("constraint", "check", "unique", "primary", "foreign", "not")
_ACTIONS = ("no action", "restrict", "cascade", "set null", "set default")
_VOLATILE = (
    "gen_random_uuid",
    "random",
    "clock_timestamp",
    "nextval",
    "uuidv4",
    "uuidv7",
    "uuid_generate_v4",
    "timeofday",
)


def column(c: Cursor, table: Name) -> None:
    """Read ``name type constraints…``."""
    at, name = c.at, c.column()
    c.add(HasColumn(at, table, name))
    kind = type_name(c)
    if "serial" in kind.last:
        c.add(Columns(at, table, name, "serial"))
    while c.at_word("storage", "compression"):
        if c.at_word("storage"):
            c.refuse("M072", "STORAGE in a table's definition needs PostgreSQL 16; use ALTER COLUMN … SET STORAGE")
        c.next()
        c.word()
    column_constraints(c, table, name)


def column_constraints(c: Cursor, table: Name, column_name: str) -> None:
    """Read what follows a column's type."""
    while True:
        label = _label(c)
        if not _column_constraint(c, table, column_name, label):
            if label is not None:
                raise c.unreadable("expected a constraint")
            return


def _label(c: Cursor) -> Name | None:
    return c.name() if c.take("constraint") else None


def _column_constraint(c: Cursor, table: Name, name: str, label: Name | None) -> bool:
    at = c.at
    if c.take("not null") or c.take("null"):
        no_inherit(c)
    elif c.take("check"):
        in_parens(c)
        no_inherit(c)
    elif c.take("default"):
        start = c.index
        simple_expression(c)
        _note_volatile(c, table, name, start)
    elif c.take("generated"):
        _generated(c, table, name, at)
    elif c.at_word("unique", "primary"):
        _key(c, label)
        c.add(Indexes(at, table, (name,)))
    elif c.take("references"):
        references(c, table, (name,), label)
    elif c.take("collate"):
        collation(c)
    elif not constraint_timing(c):
        return False
    return True


def _note_volatile(c: Cursor, table: Name, name: str, start: int) -> None:
    end, c.index = c.index, start
    words = {token.text for token in c.slice_until(end)}
    if not words.isdisjoint(_VOLATILE):
        c.add(Columns(c.at, table, name, "volatile default"))


def _generated(c: Cursor, table: Name, name: str, at: int) -> None:
    if c.take("always as identity") or c.take("by default as identity"):
        c.add(Columns(at, table, name, "identity"))
        if c.at_sign("("):
            sequence_options(c, in_parens=True)
        return
    c.expect("always as")
    in_parens(c)
    if c.take("stored"):
        c.add(Columns(at, table, name, "stored expression"))
    else:
        c.refuse("M072", "a virtual column needs PostgreSQL 18; write STORED", at)
        c.take("virtual")


def constraint_timing(c: Cursor) -> bool:
    """Take what may follow any constraint: deferring, enforcing, validity."""
    taken = False
    if c.at_words("not enforced") or c.at_word("enforced"):
        c.refuse("M072", "[NOT] ENFORCED needs PostgreSQL 18; 15 and newer are supported")
    phrases = "not deferrable|deferrable|initially deferred|initially immediate|not enforced|enforced|not valid"
    while any(c.take(phrase) for phrase in phrases.split("|")):
        taken = True
    return taken


def no_inherit(c: Cursor) -> None:
    """Take NO INHERIT."""
    c.take("no inherit")


def _key(c: Cursor, label: Name | None) -> None:
    """Take PRIMARY KEY or UNIQUE up to its columns; a labelled one makes an index of that name."""
    what = "primary key" if c.take("primary key") else "unique"
    if what == "unique":
        c.expect("unique")
        if c.take("nulls"):
            c.take("not")
            c.expect("distinct")
    if label is not None:
        c.add(CreatesIndexName(label.at, what, label))


def references(c: Cursor, table: Name, columns: tuple[str, ...], label: Name | None = None) -> None:
    """Read a foreign key behind the word REFERENCES."""
    target = c.name()
    if c.at_sign("("):
        _key_columns(c)
    if c.take("match") and not c.take_any("full", "partial", "simple"):
        raise c.unreadable("expected FULL, PARTIAL or SIMPLE")
    actions = {"delete": "", "update": ""}
    while c.take("on"):
        event = c.take_any("delete", "update")
        action = next((action for action in _ACTIONS if c.take(action)), None)
        if not event or action is None:
            raise c.unreadable("expected ON DELETE or ON UPDATE and an action")
        actions[event] = action
        if action.startswith("set") and c.at_sign("("):
            c.words_in_parens()
    called = label.last if label is not None else ""
    c.add(ForeignKey(target.at, table, columns, target, actions["delete"], actions["update"], called))


def _key_columns(c: Cursor) -> tuple[str, ...]:
    """Take the columns of a key; the last may be a period."""
    c.expect_sign("(")
    result = []
    while True:
        if c.at_word("period") and c.peek().text not in (",", ")"):
            c.refuse("M072", "PERIOD needs PostgreSQL 18; 15 and newer are supported")
            c.next()
        result.append(c.column())
        if c.at_words("without overlaps"):
            c.refuse("M072", "WITHOUT OVERLAPS needs PostgreSQL 18; 15 and newer are supported")
            c.take("without overlaps")
        if not c.take_sign(","):
            break
    c.expect_sign(")")
    return tuple(result)


def at_constraint(c: Cursor) -> bool:
    """Whether a table constraint comes next; a column may be called exclude."""
    return c.at_word(*_CONSTRAINT_WORDS) or (c.at_word("exclude") and c.peek().text in ("using", "("))


def table_constraint(c: Cursor, table: Name) -> None:
    """Read ``[CONSTRAINT name] CHECK | UNIQUE | PRIMARY KEY | EXCLUDE | FOREIGN KEY …``."""
    label = _label(c)
    at = c.at
    if c.take("check"):
        in_parens(c)
        no_inherit(c)
    elif c.at_word("unique", "primary"):
        _key(c, label)
        _key_body(c, table, at)
    elif c.take("exclude"):
        if label is not None:
            c.add(CreatesIndexName(label.at, "exclude", label))
        _exclude(c, table)
    elif c.take("foreign key"):
        columns = _key_columns(c)
        c.expect("references")
        references(c, table, columns, label)
    elif c.take("not null"):
        c.refuse("M072", "a NOT NULL constraint of a table needs PostgreSQL 18; write it behind the column", at)
        c.column()
        no_inherit(c)
    else:
        raise c.unreadable("expected a constraint")
    constraint_timing(c)


def _key_body(c: Cursor, table: Name, at: int) -> None:
    if c.take("using index"):
        name = c.name()
        c.add(CreatesIndexName(name.at, "using index", name))
        return
    c.add(Indexes(at, table, _key_columns(c)))
    index_options(c)


def _exclude(c: Cursor, table: Name) -> None:
    method = c.column() if c.take("using") else "gist"
    if not method.isascii():
        raise c.unreadable("expected an index method")
    elements(c, table, exclusion=True)
    index_options(c)
    if c.take("where"):
        in_parens(c)


def index_options(c: Cursor) -> None:
    """Take INCLUDE, WITH and the table space of an index."""
    if c.take("include"):
        c.words_in_parens()
    if c.take("with"):
        options(c)
    at = c.at
    if c.take("using index tablespace") or c.take("tablespace"):
        c.refuse("M060", f"table space {c.column()}: where data lies is the operator's decision", at)
