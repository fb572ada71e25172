"""M001: the prefix is what keeps plugins apart."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Creates
from migrations.lint.names import MAX_NAME_BYTES, is_clean, plugin_of
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report created objects without the prefix; M002 and M003 take misplaced and misspelt names."""
    for fact in context.all(Creates):
        name = fact.name
        if not name.bare or context.ownership.owns(name):
            continue
        if is_clean(name.last) and len(name.last) <= MAX_NAME_BYTES:
            other = plugin_of(name.last)
            belongs = f'; that one belongs to plugin "{other}"' if other else ""
            wanted = context.own_name("<name>" if other else name.last)
            yield Hit(name.at, f'{fact.kind} "{name.last}" must be named {wanted}{belongs}')


RULE = Rule(
    id="M001",
    title="Object without the plugin's prefix",
    what=(
        "A table, view, materialized view, index, sequence, type, domain, function, procedure or statistics "
        "object whose name does not begin with `p_<plugin>__`."
    ),
    why=(
        "All plugins and the server share one schema. A name without the prefix can take the place of "
        "somebody else's object now or in a later release, and nobody can tell whose it is."
    ),
    instead="Begin the name with the plugin's prefix, then a-z, 0-9 and _.",
    bad="CREATE TABLE jobs (id uuid PRIMARY KEY);",
    good="CREATE TABLE p_audit__jobs (id uuid PRIMARY KEY);",
    check=check,
)
