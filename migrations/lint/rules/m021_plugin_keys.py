"""M021: plugins do not know one another."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import ForeignKey
from migrations.lint.names import plugin_of
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report foreign keys to tables of other plugins."""
    for key in context.all(ForeignKey):
        if context.ownership.owner(key.target) == "other plugin":
            plugin = plugin_of(key.target.last)
            only = "only core tables and own tables may be referenced"
            yield Hit(key.at, f'{key.target} belongs to plugin "{plugin}"; {only}')


RULE = Rule(
    id="M021",
    title="Foreign key to another plugin's table",
    what="A foreign key whose target carries another plugin's prefix.",
    why="The other plugin may not be in the edition, and can no longer change or drop its table.",
    instead="Keep the other's id as a plain column, without a foreign key.",
    bad="CREATE TABLE p_audit__a (item_id uuid REFERENCES p_other__item (id));",
    good="CREATE TABLE p_audit__a (item_id uuid);",
    check=check,
)
