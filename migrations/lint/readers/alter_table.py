"""Reads ALTER TABLE (and what ALTER INDEX and ALTER VIEW share with it), action by action."""

from __future__ import annotations

from collections.abc import Callable

from migrations.lint.cursor import Cursor
from migrations.lint.facts import Changes, Columns, DropsPart, HasColumn, Joins, Renames
from migrations.lint.names import Name
from migrations.lint.readers import alter_column, columns
from migrations.lint.readers.create_table import partition_bound
from migrations.lint.readers.options import options
from migrations.lint.readers.types import type_name

_SWITCHES = [
    "enable row level security",
    "disable row level security",
    "force row level security",
    "no force row level security",
    "set without cluster",
    "set without oids",
    "not of",
]
_MATVIEW_SWITCHES = ["set without cluster"]
_TRIGGER_SWITCHES = ("enable trigger", "disable trigger", "enable replica trigger", "enable always trigger")


def alter(c: Cursor, kind: str) -> None:
    """Read ALTER TABLE | INDEX | VIEW | MATERIALIZED VIEW | SEQUENCE behind its kind."""
    c.if_exists()
    c.take("only")
    parens = c.take_sign("(")
    name = c.name()
    if parens:
        c.expect_sign(")")
    c.take_sign("*")
    c.add(Changes(name.at, kind, name, _action_words(c)))
    while True:
        action(c, kind, name)
        if not c.take_sign(","):
            break


def _action_words(c: Cursor) -> str:
    return " ".join(c.peek(ahead).text for ahead in range(2)).upper().strip()


def action(c: Cursor, kind: str, name: Name) -> None:
    """Read one action of an ALTER."""
    for phrase in _SWITCHES if kind == "table" else _MATVIEW_SWITCHES:
        if c.take(phrase):
            return
    for verb, read in _ACTIONS:
        if verb in _OF_KIND.get(kind, _EVERY) and c.take(verb):
            read(c, kind, name)
            return
    raise c.unreadable(f"ALTER {kind.upper()} has no such action here")


def _add(c: Cursor, kind: str, table: Name) -> None:
    if columns.at_constraint(c):
        columns.table_constraint(c, table)
        return
    c.take("column")
    c.take("if not exists")
    c.add(Columns(c.at, table, c.token.text, "added"))
    columns.column(c, table)


def _drop(c: Cursor, kind: str, table: Name) -> None:
    part = "constraint" if c.take("constraint") else "column"
    c.take("column")
    c.if_exists()
    at = c.at
    c.add(DropsPart(at, part, table, c.column()))
    cascade(c, f"DROP {part.upper()}")


def cascade(c: Cursor, what: str) -> None:
    """Take RESTRICT, or CASCADE, which no plugin may write."""
    at = c.at
    if c.take("cascade"):
        c.refuse("M013", f"{what} … CASCADE may reach objects of others; list what you drop", at)
    else:
        c.take("restrict")


def _alter(c: Cursor, kind: str, table: Name) -> None:
    if c.take("constraint"):
        c.column()
        if not columns.constraint_timing(c) and not c.take("inherit"):
            columns.no_inherit(c)
        return
    c.take("column")
    alter_column.alter(c, table)


def rename(c: Cursor, kind: str, name: Name) -> None:
    """Read RENAME behind its word."""
    if c.take("to"):
        new = c.name()
        c.add(Renames(new.at, kind, name, new))
    elif kind in ("table", "domain") and c.take("constraint"):
        old = c.name()
        c.expect("to")
        new = c.name()
        c.add(Renames(new.at, "constraint", old, new))
    elif kind in ("index", "domain"):
        raise c.unreadable("expected TO")
    else:
        if kind == "type":
            c.expect("attribute")
        else:
            c.take("column")
        c.column()
        c.expect("to")
        c.add(HasColumn(c.at, name, c.column()))


def _move(what: str) -> Callable[[Cursor, str, Name], None]:
    def read(c: Cursor, kind: str, name: Name) -> None:
        at = c.previous.start
        target = c.word()
        c.refuse("M011", f'{what} "{target}" would take {name} out of the plugin\'s hands', at)

    return read


def _operators(what: str) -> Callable[[Cursor, str, Name], None]:
    def read(c: Cursor, kind: str, name: Name) -> None:
        c.refuse("M060", f"{what} {c.column()}: how and where data lies is the operator's decision", c.previous.start)

    return read


def _rule(c: Cursor, kind: str, name: Name) -> None:
    c.refuse("M060", f"rules rewrite statements: not in a plugin ({c.column()})", c.previous.start)


def _attach(c: Cursor, kind: str, name: Name) -> None:
    child = c.name()
    if kind == "index":
        c.add(Changes(child.at, "index", child, "ATTACH PARTITION"))
        return
    c.add(Joins(child.at, child, name, "partition"))
    partition_bound(c)


def _detach(c: Cursor, kind: str, name: Name) -> None:
    child = c.name()
    c.add(Changes(child.at, "table", child, "DETACH PARTITION"))
    at = c.at
    if c.take("concurrently"):
        c.refuse("M052", "DETACH PARTITION CONCURRENTLY cannot run inside a migration's transaction", at)
    c.take("finalize")


def _inherit(c: Cursor, kind: str, name: Name) -> None:
    parent = c.name()
    c.add(Joins(parent.at, name, parent, "inheritance"))


def _replica_identity(c: Cursor, kind: str, name: Name) -> None:
    if c.take("using index"):
        index = c.name()
        c.add(Changes(index.at, "index", index, "REPLICA IDENTITY"))
    elif not c.take_any("default", "full", "nothing"):
        raise c.unreadable("expected DEFAULT, FULL, NOTHING or USING INDEX")


def _logged(change: str) -> Callable[[Cursor, str, Name], None]:
    def read(c: Cursor, kind: str, name: Name) -> None:
        c.add(Columns(c.previous.start, name, "", change))

    return read


def _name_only(c: Cursor, kind: str, name: Name) -> None:
    c.column()


def _trigger(c: Cursor, kind: str, name: Name) -> None:
    if not c.take_any("all", "user"):
        c.column()


def _index_only(c: Cursor, kind: str, name: Name) -> None:
    index = c.name()
    c.add(Changes(index.at, "index", index, "CLUSTER ON"))


def _options(c: Cursor, kind: str, name: Name) -> None:
    options(c, valued=c.previous.text == "set")


def _of_type(c: Cursor, kind: str, name: Name) -> None:
    type_name(c)


def _dependency(c: Cursor, kind: str, name: Name) -> None:
    c.expect("on extension")
    c.refuse("M060", f"extension {c.column()} belongs to the operator", c.previous.start)


_ACTIONS: tuple[tuple[str, Callable[[Cursor, str, Name], None]], ...] = (
    ("add", _add),
    ("drop", _drop),
    ("alter", _alter),
    ("rename", rename),
    ("validate constraint", _name_only),
    ("set schema", _move("SET SCHEMA")),
    ("owner to", _move("OWNER TO")),
    ("set tablespace", _operators("SET TABLESPACE")),
    ("set access method", _operators("SET ACCESS METHOD")),
    ("set logged", _logged("logged")),
    ("set unlogged", _logged("unlogged")),
    ("attach partition", _attach),
    ("detach partition", _detach),
    ("inherit", _inherit),
    ("no inherit", _inherit),
    ("replica identity", _replica_identity),
    ("cluster on", _index_only),
    ("of", _of_type),
    ("set", _options),
    ("reset", _options),
    ("enable rule", _rule),
    ("disable rule", _rule),
    ("enable always rule", _rule),
    ("enable replica rule", _rule),
    ("no depends", _dependency),
    ("depends", _dependency),
    *((phrase, _trigger) for phrase in _TRIGGER_SWITCHES),
)

_MOVES = ("set schema", "owner to")
_EVERY = frozenset(verb for verb, _ in _ACTIONS)
_OF_KIND = {
    "domain": frozenset(_MOVES),
    "type": frozenset({*_MOVES, "rename"}),
    "view": frozenset({*_MOVES, "rename", "alter", "set", "reset"}),
    "index": frozenset("rename|alter|set|reset|set tablespace|attach partition|depends|no depends".split("|")),
    "materialized view": _EVERY
    - {"add", "drop", "inherit", "no inherit", "attach partition", "detach partition", "of"},
}
"""The actions that an ALTER has, by the kind of object."""
