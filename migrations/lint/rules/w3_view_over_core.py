"""W3: a view pins the columns it reads."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Creates, Reads
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report the first core table of each view."""
    made = next(context.all(Creates), None)
    if made is None or "view" not in made.kind:
        return
    core = sorted({fact.name.last for fact in context.all(Reads) if context.ownership.owner(fact.name) == "server"})
    if core:
        yield Hit(made.at, f"view {made.name} over {', '.join(core)} blocks changes of the columns that it reads")


RULE = Rule(
    id="W3",
    title="View over core tables",
    what="A view or materialized view that reads a core table.",
    why=(
        "The server cannot change the type of, or drop, a column that a view reads: its next release fails to migrate."
    ),
    instead=("Read core tables in queries of the plugin; if it must be a view, name the few columns that it needs."),
    bad="CREATE VIEW p_audit__v AS SELECT * FROM tenant;",
    good="CREATE VIEW p_audit__v AS SELECT id FROM p_audit__a;",
    check=check,
)
