"""W1: a tenant must stay removable."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import ForeignKey
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report such keys."""
    for key in context.all(ForeignKey):
        if context.ownership.owner(key.target) == "server" and key.on_delete not in ("cascade", "set null"):
            yield Hit(
                key.at,
                f"without ON DELETE CASCADE or SET NULL the server cannot delete a {key.target} that this references",
            )


RULE = Rule(
    id="W1",
    title="Foreign key to core without ON DELETE",
    what="A foreign key to a core table without ON DELETE CASCADE or SET NULL.",
    why=("The server can then no longer delete a tenant or an old workflow while the plugin has rows for it."),
    instead="Add ON DELETE CASCADE (or SET NULL).",
    bad="CREATE TABLE p_audit__a (tenant_id uuid REFERENCES tenant (id));",
    good="CREATE TABLE p_audit__a (tenant_id uuid REFERENCES tenant (id) ON DELETE CASCADE);",
    check=check,
)
