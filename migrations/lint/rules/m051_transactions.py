"""M051: the server holds the transaction."""

from __future__ import annotations

from migrations.lint.rules.rule import Rule

RULE = Rule(
    id="M051",
    title="Transaction control",
    what=("BEGIN, START TRANSACTION, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE, PREPARE TRANSACTION."),
    why=(
        "The server runs each migration in one transaction and compares the catalog before it commits. A "
        "COMMIT in the middle makes half a migration permanent and unchecked."
    ),
    instead="Remove it: the migration is one transaction already.",
    bad="BEGIN; CREATE TABLE p_audit__a (id int); COMMIT;",
    good="CREATE TABLE p_audit__a (id int);",
    applies="both",
)
