"""M012: a plugin drops only what it made."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Drops
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report each foreign item."""
    for fact in context.all(Drops):
        if context.foreign(fact.name):
            on = "on " if fact.kind in ("trigger", "policy") else ""
            yield Hit(
                fact.at, f'{fact.verb} {fact.kind.upper()} {on}"{fact.name}": "{fact.name}" is not this plugin\'s'
            )


RULE = Rule(
    id="M012",
    title="DROP or TRUNCATE of something that is not the plugin's",
    what="Each item of a DROP or TRUNCATE list, and triggers or policies on tables of others.",
    why="The data is gone for every tenant, and no rollback of the plugin brings it back.",
    instead="Drop own objects only; name each one.",
    bad="DROP TABLE p_audit__a, timer;",
    good="DROP TABLE p_audit__a;",
    check=check,
)
