"""M013: CASCADE decides at run time what else is lost."""

from __future__ import annotations

from migrations.lint.rules.rule import Rule

RULE = Rule(
    id="M013",
    title="CASCADE on DROP or TRUNCATE",
    what="CASCADE behind DROP, TRUNCATE, DROP COLUMN, DROP CONSTRAINT, DROP ATTRIBUTE.",
    why=(
        "What depends on the object is decided by the database in which the migration runs: another plugin's "
        "view or the rows of a referencing table can go with it."
    ),
    instead="List what you drop, in the order in which it depends on each other.",
    bad="DROP TABLE p_audit__a CASCADE;",
    good=("DROP VIEW p_audit__a_by_day;\nDROP TABLE p_audit__a;"),
)
