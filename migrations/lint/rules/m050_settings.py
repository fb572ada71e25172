"""M050: settings outlive the statement that made them."""

from __future__ import annotations

from migrations.lint.rules.rule import Rule

RULE = Rule(
    id="M050",
    title="SET, RESET, DISCARD",
    what=(
        "SET and RESET in all forms, and DISCARD; allowed are `SET LOCAL lock_timeout` up to 5 s, `statement_timeout` "
        "up to 10 min and `idle_in_transaction_session_timeout` up to 1 min, as a number or a plain literal."
    ),
    why=(
        "search_path decides where later names land, session_replication_role switches triggers off, role "
        "changes the rights, standard_conforming_strings changes where literals end. Without a lock_timeout, every "
        "query of the server waits behind a migration that waits."
    ),
    instead=(
        "Leave settings alone; only SET LOCAL lock_timeout, statement_timeout and idle_in_transaction_session_timeout "
        "are allowed, to wait for less."
    ),
    bad="SET search_path = stash;",
    good="SET LOCAL lock_timeout = '2s';",
    applies="both",
)
