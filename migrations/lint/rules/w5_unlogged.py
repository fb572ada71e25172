"""W5: an unlogged table is empty after a crash."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Columns
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report tables and sequences that become unlogged."""
    for fact in context.all(Columns):
        if fact.change == "unlogged":
            yield Hit(fact.at, f"{fact.table} loses its rows when the database stops hard")


RULE = Rule(
    id="W5",
    title="Unlogged table or sequence",
    what="CREATE UNLOGGED and SET UNLOGGED.",
    why="Its rows are lost when the database stops hard, and a replica never has them.",
    instead="Leave UNLOGGED out unless the rows are a cache.",
    bad="CREATE UNLOGGED TABLE p_audit__a (id int);",
    good="CREATE TABLE p_audit__a (id int);",
    check=check,
)
