"""M052: service work is not a migration."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Changes, Concurrent
from migrations.lint.modes import BATCHES_MARKER, OUTSIDE_MARKER
from migrations.lint.rules.rule import Context, Hit, Rule

_BATCHED = ("INSERT", "UPDATE", "DELETE", "WITH")


def check(context: Context) -> Iterator[Hit]:
    """Report what cannot run in a transaction, and what does not fit the way that the file wants to run."""
    concurrent = list(context.all(Concurrent))
    for fact in concurrent:
        if context.mode != "outside":
            own = f'give it a file of its own, which begins with the line "{OUTSIDE_MARKER}"'
            yield Hit(fact.at, f"{fact.what} cannot run inside a migration's transaction; {own}")
        elif fact.fault:
            yield Hit(fact.at, fact.fault)
    validates = any(fact.action == "VALIDATE CONSTRAINT" for fact in context.all(Changes))
    start = context.statement.start
    if context.mode == "outside" and not concurrent and not validates:
        yield Hit(
            start, "outside a transaction run CREATE, DROP and REINDEX INDEX CONCURRENTLY and VALIDATE CONSTRAINT"
        )
    if context.mode == "batches" and not _is_batch(context):
        yield Hit(start, "a batch is one INSERT, UPDATE or DELETE with a LIMIT, which ends when it changes no row")


def _is_batch(context: Context) -> bool:
    words = {token.text for token in context.statement.tokens}
    return context.reading.form.split()[0] in _BATCHED and "limit" in words


RULE = Rule(
    id="M052",
    title="Maintenance, locks, notifications, COPY",
    what=(
        "CONCURRENTLY in a transaction, VACUUM, REINDEX, CLUSTER, CHECKPOINT, LOCK, LISTEN, NOTIFY, UNLISTEN, COPY, "
        "LOAD, ANALYZE of everything."
    ),
    why=(
        "Some cannot run inside a transaction; others lock or read tables of others, reach files and "
        "programs, or leave the session changed."
    ),
    instead=(
        f"Put CREATE, DROP or REINDEX INDEX CONCURRENTLY alone into a file that begins with the line "
        f"`{OUTSIDE_MARKER}`; write rows with INSERT, many rows in a file that begins with `{BATCHES_MARKER}`."
    ),
    bad="CREATE INDEX CONCURRENTLY p_audit__i ON p_audit__a (id);",
    good=f"{OUTSIDE_MARKER}\nCREATE INDEX CONCURRENTLY p_audit__i ON p_audit__a (id);",
    check=check,
    applies="both",
)
