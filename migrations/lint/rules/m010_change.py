"""M010: what belongs to others is not changed."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Changes, ForeignKey
from migrations.lint.names import PUBLISHED_TABLES
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report changes of what is not own, and foreign keys to what is not published."""
    for fact in context.all(Changes):
        if context.foreign(fact.name):
            owner = context.ownership.owner(fact.name)
            whose = "another plugin" if owner == "other plugin" else "the server"
            message = f'"{fact.name}" belongs to {whose}; a plugin may reference it by foreign key, never change it'
            yield Hit(fact.at, message if whose == "the server" else f'"{fact.name}" belongs to {whose}')
    for key in context.all(ForeignKey):
        if context.ownership.owner(key.target) in ("server", "elsewhere") and key.target.last not in PUBLISHED_TABLES:
            published = ", ".join(PUBLISHED_TABLES)
            yield Hit(key.at, f'foreign key to "{key.target}", which is not published; published are {published}')


RULE = Rule(
    id="M010",
    title="Change of something that is not the plugin's",
    what=(
        "ALTER, RENAME, COMMENT, ANALYZE, an index, a policy, statistics on anything that is not the "
        "plugin's, and foreign keys to core tables that are not published."
    ),
    why=(
        "The server's next release relies on its tables being what its own migrations made. A column, an "
        "index or a constraint of a plugin's slows or breaks every other part of the edition."
    ),
    instead=(
        "Make an own table that references the core table by foreign key; published for that are tenant, "
        "workflow_execution, task_execution and worker."
    ),
    bad="ALTER TABLE tenant ADD COLUMN plan text;",
    good=(
        "CREATE TABLE p_audit__plan (tenant_id uuid PRIMARY KEY REFERENCES tenant (id) ON DELETE CASCADE, plan text);"
    ),
    check=check,
)
