"""Reads column definitions and constraints, for CREATE TABLE and ALTER TABLE."""

from __future__ import annotations

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Calls, Columns, CreatesIndexName, ForeignKey, HasColumn, Indexes
from migrations.lint.names import Name
from migrations.lint.readers.call import collation
from migrations.lint.readers.expression import in_parens, simple_expression
from migrations.lint.readers.index import elements, index_options, nulls_distinct
from migrations.lint.readers.sequence import options as sequence_options
from migrations.lint.readers.types import type_name

_CONSTRAINT_WORDS = ("constraint", "check", "unique", "primary", "foreign", "not")
_ACTIONS = ("no action", "restrict", "cascade", "set null", "set default")
_TIMING = "not deferrable|deferrable|initially deferred|initially immediate|not enforced|enforced|not valid".split("|")


def column(c: Cursor, table: Name) -> HasColumn:
    """Read ``name type constraints…``."""
    at, name = c.at, c.column()
    kind, text = sized_type(c)
    made = HasColumn(at, table, name, text)
    c.add(made)
    if "serial" in kind.last:
        c.add(Columns(at, table, name, "serial"))
        c.add(Columns(at, table, name, "not null"))
    while c.at_word("storage", "compression"):
        if c.at_word("storage"):
            c.refuse("M072", "STORAGE in a table's definition needs PostgreSQL 16; use ALTER COLUMN … SET STORAGE")
        c.next()
        c.word()
    column_constraints(c, table, name)
    return made


def sized_type(c: Cursor) -> tuple[Name, str]:
    """Read a type, and return its name and its words, such as ``varchar ( 20 )``."""
    start = c.index
    kind = type_name(c)
    return kind, " ".join(token.text for token in c.between(start, c.index))


def column_constraints(c: Cursor, table: Name, column_name: str) -> None:
    """Read the constraints behind a column's type."""
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
    if c.take("not null"):
        c.add(Columns(at, table, name, "not null"))
        c.take("no inherit")
    elif c.take("null"):
        c.take("no inherit")
    elif c.take("check"):
        in_parens(c)
        c.take("no inherit")
    elif c.take("default"):
        start = len(c.facts)
        simple_expression(c)
        calls = tuple(fact.name.last for fact in c.facts[start:] if isinstance(fact, Calls))
        c.add(Columns(at, table, name, "default", calls=calls))
    elif c.take("generated"):
        _generated(c, table, name, at)
    elif c.at_word("unique", "primary"):
        _key_made(c, Indexes(at, table, (name,)), _key(c, label), label)
    elif c.take("references"):
        references(c, table, (name,), label)
    elif c.take("collate"):
        collation(c)
    elif not constraint_timing(c):
        return False
    return True


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
    """Read the words that may follow any constraint: deferring, enforcing, validity."""
    taken = False
    if c.at_words("not enforced") or c.at_word("enforced"):
        c.refuse("M072", "[NOT] ENFORCED needs PostgreSQL 18; 15 and newer are supported")
    while any(c.take(phrase) for phrase in _TIMING):
        taken = True
    return taken


def _key(c: Cursor, label: Name | None) -> str:
    """Read PRIMARY KEY or UNIQUE up to its columns; a labelled one makes an index of that name."""
    kind = "primary key" if c.take("primary key") else "unique"
    if kind == "unique":
        c.expect("unique")
        nulls_distinct(c)
    if label is not None:
        c.add(CreatesIndexName(label.at, kind, label))
    return kind


def _key_made(c: Cursor, made: Indexes, kind: str, label: Name | None) -> None:
    """Note the index of a key, under the name that PostgreSQL gives it where it has no label."""
    at, table, columns, _ = made
    derived = f"{table.last}_pkey" if kind == "primary key" else f"{table.last}_{'_'.join(columns)}_key"
    c.add(made._replace(name=label.last if label else derived))
    for name in columns if kind == "primary key" else ():
        c.add(Columns(at, table, name, "not null"))


def references(c: Cursor, table: Name, columns: tuple[str, ...], label: Name | None = None) -> None:
    """Read a foreign key behind the word REFERENCES."""
    target = c.name()
    if c.at_sign("("):
        _key_columns(c)
    if c.take("match") and not c.take_any("full", "partial", "simple"):
        raise c.unreadable("expected FULL, PARTIAL or SIMPLE")
    actions, cleared = {"delete": "", "update": ""}, columns
    while c.take("on"):
        event = c.take_any("delete", "update")
        action = next((action for action in _ACTIONS if c.take(action)), None)
        if not event or action is None:
            raise c.unreadable("expected ON DELETE or ON UPDATE and an action")
        actions[event] = action
        if action.startswith("set") and c.at_sign("("):
            cleared = c.words_in_parens()
    called = label.last if label is not None else ""
    c.add(ForeignKey(target.at, table, columns, target, actions["delete"], actions["update"], called, cleared))


def _key_columns(c: Cursor) -> tuple[str, ...]:
    """Read the columns of a key; the last may be a period."""
    result: list[str] = []

    def key_column(c: Cursor) -> None:
        if c.at_word("period") and c.peek().text not in (",", ")"):
            c.refuse("M072", "PERIOD needs PostgreSQL 18; 15 and newer are supported")
            c.next()
        result.append(c.column())
        if c.at_words("without overlaps"):
            c.refuse("M072", "WITHOUT OVERLAPS needs PostgreSQL 18; 15 and newer are supported")
            c.take("without overlaps")

    c.enclosed(lambda c: c.listed(key_column))
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
        c.take("no inherit")
    elif c.at_word("unique", "primary"):
        kind = _key(c, label)
        if c.take("using index"):
            name = c.name()
            c.add(CreatesIndexName(name.at, "using index", name))
        else:
            _key_made(c, Indexes(at, table, _key_columns(c)), kind, label)
            index_options(c)
    elif c.take("exclude"):
        if label is not None:
            c.add(CreatesIndexName(label.at, "exclude", label))
        _exclude(c)
    elif c.take("foreign key"):
        columns = _key_columns(c)
        c.expect("references")
        references(c, table, columns, label)
    elif c.take("not null"):
        c.refuse("M072", "a NOT NULL constraint of a table needs PostgreSQL 18; write it behind the column", at)
        c.column()
        c.take("no inherit")
    else:
        raise c.unreadable("expected a constraint")
    constraint_timing(c)


def _exclude(c: Cursor) -> None:
    method = c.column() if c.take("using") else "gist"
    if not method.isascii():
        raise c.unreadable("expected an index method")
    elements(c, exclusion=True)
    index_options(c)
    if c.take("where"):
        in_parens(c)
