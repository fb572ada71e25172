"""M002: plugins live in one schema, and nothing hides behind another."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Changes, Creates, CreatesIndexName, Drops, ForeignKey, Joins, Reads, UsesType, Writes
from migrations.lint.names import Name
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report created and read names in other schemas, and own names that stand in one."""
    made: list[Creates | CreatesIndexName | Reads] = [
        *context.all(Creates),
        *context.all(CreatesIndexName),
        *context.anywhere(Reads),
    ]
    for fact in made:
        if not fact.name.bare or (isinstance(fact, Reads) and fact.name.last.startswith("pg_")):
            yield _hit(fact.name)
    for name in _others(context):
        if context.misplaced(name):
            yield _hit(name)


def _others(context: Context) -> Iterator[Name]:
    others: list[Changes | Drops | Writes | UsesType] = [
        *context.all(Changes),
        *context.all(Drops),
        *context.anywhere(Writes),
        *context.anywhere(UsesType),
    ]
    for fact in others:
        yield fact.name
    for joined in context.all(Joins):
        yield joined.parent
    for key in context.all(ForeignKey):
        yield key.target


def _hit(name: Name) -> Hit:
    return Hit(name.at, f'"{name}": plugin objects live in the default schema; write the bare name')


RULE = Rule(
    id="M002",
    title="Other schema or temporary object",
    what="A name in a schema other than `public`, `pg_temp`, and TEMP objects of every kind.",
    why=(
        "An object in another schema is not found by the catalog comparison that protects the others, and a "
        "TEMP object hides the server's table of the same name from whoever uses the connection next."
    ),
    instead=(
        "Write the bare name: plugin objects live in the default schema, and scratch tables are ordinary own "
        "tables that the same migration drops."
    ),
    bad="CREATE TABLE stash.p_audit__entry (id int);",
    good="CREATE TABLE p_audit__entry (id int);",
    check=check,
    applies="both",
)
