"""M020: no ties to what others may change."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Calls, Creates, Joins, Reads, UsesRow, UsesType
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report ties by inheritance, by type, and every use of another plugin's objects."""
    yield from _joins(context)
    for use in context.anywhere(UsesType):
        text_only = use.copied and not use.declared
        if context.foreign(use.name) and not (text_only and context.ownership.owner(use.name) == "server"):
            yield Hit(use.at, f'type "{use.name}" is neither built in nor this plugin\'s')
    yield from _rows(context)
    used: list[Reads | Calls] = [*context.anywhere(Reads), *context.anywhere(Calls)]
    for fact in used:
        if context.ownership.owner(fact.name) == "other plugin":
            yield Hit(fact.at, f'"{fact.name}" belongs to another plugin; plugins do not use one another')


def _rows(context: Context) -> Iterator[Hit]:
    """Report whole rows of others in what a table or view is made of: a column of the row's type may come of them."""
    made = next(context.all(Creates), None)
    if made is None or made.kind not in ("table", "view", "materialized view"):
        return
    for use in context.all(UsesRow):
        if not context.ownership.owns(use.relation):
            message = f'a whole row of "{use.relation}" would give {made.name} a column of its type; name the columns'
            yield Hit(use.at, message)


_MADE_A = {"partition": "a partition", "inheritance": "a child"}


def _joins(context: Context) -> Iterator[Hit]:
    for fact in context.all(Joins):
        if fact.how == "copied" and context.ownership.owner(fact.parent) == "server":
            continue
        for name, other in ((fact.parent, fact.child), (fact.child, fact.parent)):
            if not context.foreign(name):
                continue
            if fact.how in _MADE_A:
                yield Hit(fact.at, f'{fact.child} would become {_MADE_A[fact.how]} of "{fact.parent}"')
            elif name is fact.parent:
                yield Hit(fact.at, f'LIKE "{name}" would copy defaults that use objects of others into {other}')
            break


RULE = Rule(
    id="M020",
    title="Tie to a table, type or function of others",
    what=(
        "INHERITS, PARTITION OF, ATTACH with a table that is not the plugin's; columns and arguments of a "
        "core table's row type; anything of another plugin's."
    ),
    why=(
        "A partition or a child of the server's table takes part in the server's own queries; a type that "
        "others own makes their next migration fail."
    ),
    instead=(
        "Copy what you need into own tables; reference core rows by foreign key; plugins do not know one another."
    ),
    bad="CREATE TABLE p_audit__s PARTITION OF metric_sample DEFAULT;",
    good="CREATE TABLE p_audit__s (LIKE metric_sample);",
    check=check,
)
