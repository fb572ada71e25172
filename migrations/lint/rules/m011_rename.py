"""M011: nothing leaves the plugin's prefix."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Renames
from migrations.lint.names import is_clean
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report renames that lose the prefix; of what is not own, M010 speaks."""
    for fact in context.all(Renames):
        was_own = context.ownership.has_prefix(fact.old.last)
        if was_own and not context.ownership.owns(fact.new) and is_clean(fact.new.last):
            yield Hit(fact.at, f"{fact.old.last} may be renamed only to another {context.own_name()} name")


RULE = Rule(
    id="M011",
    title="Rename or move out of the prefix",
    what="RENAME to a name without the prefix, SET SCHEMA, OWNER TO.",
    why=(
        "A renamed object is a new object under a name that nobody checked; moved to another schema or owner "
        "it can no longer be told whose it is."
    ),
    instead="Rename only to another name with the plugin's prefix; leave schema and owner alone.",
    bad="ALTER TABLE p_audit__a RENAME TO tenant_audit;",
    good="ALTER TABLE p_audit__a RENAME TO p_audit__tenant;",
    check=check,
)
