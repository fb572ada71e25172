"""M052: service work is not a migration."""

from __future__ import annotations

from migrations.lint.rules.rule import Rule

RULE = Rule(
    id="M052",
    title="Maintenance, locks, notifications, COPY",
    what=(
        "CONCURRENTLY, VACUUM, REINDEX, CLUSTER, CHECKPOINT, LOCK, LISTEN, NOTIFY, UNLISTEN, COPY, LOAD, "
        "ANALYZE of everything."
    ),
    why=(
        "Some cannot run inside a transaction; others lock or read tables of others, reach files and "
        "programs, or leave the session changed."
    ),
    instead=("Leave it out: new tables are empty, indexes on them are quick, and rows are written with INSERT."),
    bad="CREATE INDEX CONCURRENTLY p_audit__i ON p_audit__a (id);",
    good="CREATE INDEX p_audit__i ON p_audit__a (id);",
    applies="both",
)
