"""M030: rows of others are written by others."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Creates, Reads, Renames, Writes
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report writes to foreign tables, and to own views that lead to them."""
    for fact in context.all(Writes):
        if context.foreign(fact.name):
            yield Hit(fact.at, f"{fact.verb} {fact.name}: a plugin writes only {context.own_name()} tables")
        elif context.world.reaches_others(fact.name.last):
            yield Hit(fact.at, f"{fact.verb} {fact.name}: this view leads to tables that are not the plugin's")
    yield from _late_views(context)


def _late_views(context: Context) -> Iterator[Hit]:
    """Report a view over core that takes the name of a table that an own function writes."""
    for made in context.all(Creates):
        writer = context.world.body_writes.get(made.name.last)
        if made.kind == "view" and writer and over_others(context):
            yield Hit(made.at, f"function {writer} writes {made.name}: this view would lead it to tables of others")
    for renamed in context.all(Renames):
        writer = context.world.body_writes.get(renamed.new.last)
        if writer and renamed.kind != "constraint" and context.world.reaches_others(renamed.old.last):
            yield Hit(renamed.at, f"function {writer} writes {renamed.new}: the view would lead it to tables of others")


def over_others(context: Context) -> bool:
    """Whether the statement reads, directly or through own views, what is not the plugin's."""
    return any(
        not context.ownership.owns(fact.name) or context.world.reaches_others(fact.name.last)
        for fact in context.all(Reads)
    )


RULE = Rule(
    id="M030",
    title="Write to a table that is not the plugin's",
    what=(
        "INSERT, UPDATE, DELETE or MERGE whose real target (not its alias) is not the plugin's, at any depth, "
        "also through an own view over core tables."
    ),
    why=("The server keeps invariants over its rows (event counters, leases, states) that a direct write breaks."),
    instead="Write to own tables; to change something of the server's, call it while the plugin runs.",
    bad="DELETE FROM workflow_event;",
    good="DELETE FROM p_audit__entry;",
    check=check,
)
