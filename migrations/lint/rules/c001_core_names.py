"""C001: the server keeps off the plugins' names."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Changes, Creates, CreatesIndexName, Drops, Fact, Writes
from migrations.lint.names import plugin_of
from migrations.lint.rules.rule import Context, Hit, Rule

_KINDS: tuple[type[Fact], ...] = (Creates, CreatesIndexName, Changes, Drops, Writes)


def check(context: Context) -> Iterator[Hit]:
    """Report names with any plugin's prefix."""
    for fact in (*context.reading.facts, *context.reading.body):
        name = getattr(fact, "name", None)
        if isinstance(fact, _KINDS) and name is not None and plugin_of(name.last):
            yield Hit(name.at, f'"{name.last}" has a plugin\'s prefix; core objects have none')


RULE = Rule(
    id="C001",
    title="Core migration with a plugin's prefix",
    what="A core migration that makes, changes or drops something called `p_<plugin>__…`.",
    why=("The name belongs to a plugin that may be in the edition; the server cannot know what it means there."),
    instead="Give core objects names without the prefix.",
    bad="CREATE TABLE p_audit__entry (id uuid);",
    good="CREATE TABLE audit_entry (id uuid);",
    check=check,
    applies="core",
)
