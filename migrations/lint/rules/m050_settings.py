"""M050: settings outlive the statement that made them."""

from __future__ import annotations

from migrations.lint.rules.rule import Rule

RULE = Rule(
    id="M050",
    title="SET, RESET, DISCARD",
    what=("SET and RESET in all forms but `SET LOCAL lock_timeout` and `SET LOCAL statement_timeout`, and DISCARD."),
    why=(
        "search_path decides where later names land, session_replication_role switches triggers off, role "
        "changes the rights, standard_conforming_strings changes where literals end."
    ),
    instead="Leave settings alone; only SET LOCAL lock_timeout and SET LOCAL statement_timeout are allowed.",
    bad="SET search_path = stash;",
    good="SET LOCAL lock_timeout = '2s';",
    applies="both",
)
