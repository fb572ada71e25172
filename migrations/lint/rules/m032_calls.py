"""M032: a function can do anything; so the list is short."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Calls
from migrations.lint.functions import is_safe
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report calls in the statement itself; M041 takes those in bodies, M020 those of other plugins' functions."""
    for fact in context.all(Calls):
        if unsafe(context, fact):
            yield Hit(fact.at, f"function {fact.name}() is not on the list of functions a migration may call")


def unsafe(context: Context, fact: Calls) -> bool:
    """Whether a call is neither of an own nor of a safe function."""
    owner = context.ownership.owner(fact.name)
    return owner not in ("plugin", "other plugin") and not is_safe(fact.name)


RULE = Rule(
    id="M032",
    title="Call of a function that is not on the list",
    what=(
        "A call, at any depth, of a function that is neither the plugin's own nor one of PostgreSQL's safe functions."
    ),
    why=(
        "`SELECT core_purge()` in a default, a check or an index expression runs with the rights of whoever "
        "inserts the row. Some of PostgreSQL's own functions run SQL that is given as text, read files or "
        "change settings."
    ),
    instead="Use PostgreSQL's plain functions or an own function, whose body is checked when it is made.",
    bad="CREATE TABLE p_audit__a (id int DEFAULT core_purge());",
    good="CREATE TABLE p_audit__a (id int DEFAULT p_audit__next());",
    check=check,
)
