"""M043: what is decided at run time cannot be checked."""

from __future__ import annotations

from migrations.lint.rules.rule import Rule

RULE = Rule(
    id="M043",
    title="DO blocks, prepared statements, cursors, EXPLAIN, CALL",
    what="DO, PREPARE, EXECUTE, DEALLOCATE, DECLARE, FETCH, MOVE, CLOSE, EXPLAIN, CALL.",
    why=(
        "They run code that the check does not see, or leave something behind in the session. EXPLAIN ANALYZE "
        "runs its statement."
    ),
    instead="A migration runs once, in order: write the statement itself, without a condition around it.",
    bad=("DO $$ BEGIN CREATE TYPE p_audit__k AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN NULL; END $$;"),
    good="CREATE TYPE p_audit__k AS ENUM ('a');",
    applies="both",
)
