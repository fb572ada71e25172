"""M040: only functions that can be read."""

from __future__ import annotations

from migrations.lint.rules.rule import Rule

RULE = Rule(
    id="M040",
    title="Function of a forbidden form",
    what=(
        "A language other than sql and plpgsql, SECURITY DEFINER, SET, LEAKPROOF, SUPPORT, TRANSFORM, WINDOW, "
        "or a body with escapes (`E''`, `U&''`, literals continued on the next line)."
    ),
    why=(
        "SECURITY DEFINER runs with the owner's rights for whoever calls it, other languages leave the "
        "database, and an escaped body says something else than it shows."
    ),
    instead="Write the function in sql or plpgsql with a dollar-quoted body and no such options.",
    bad="CREATE FUNCTION p_audit__f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';",
    good="CREATE FUNCTION p_audit__f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
)
