"""Makes a rule's page, and docs/migrations.md of all pages, from the rules themselves."""

from __future__ import annotations

from migrations.lint.modes import BATCHES_MARKER, OUTSIDE_MARKER
from migrations.lint.names import PUBLISHED_TABLES
from migrations.lint.readers import ALLOWED
from migrations.lint.rules import RULES
from migrations.lint.rules.rule import Rule

_INTRODUCTION = f"""# Migrations

A plugin owns what begins with `p_<plugin>__` and touches nothing else. The migration linter proves it, when an
edition is built and again before a server runs a migration that the edition carries no proof for. Check your own:

    ./bazelw run //migrations/lint -- --plugin audit-log plugins/audit_log/migrations/*.sql
    ./bazelw run //migrations/lint -- --explain M020

Findings are errors (M, and C for the server's own migrations) or warnings (W), which stop nothing. A line
`-- accepted W4: the table has ten rows` acknowledges a warning for its file; the reason must be there.
This file is made from the rules: `python -m migrations.lint --pages > docs/migrations.md`.

<a id="allowed"></a>
## What a migration may hold

{ALLOWED}.

Names of tables, indexes, views, sequences, types, domains, functions and statistics, and of constraints that make an
index, begin with the plugin's prefix; so an index on `p_audit__entry` may be called `p_audit__entry_by_day`. Names
of columns, triggers, policies, CHECK and foreign-key constraints are free: they are local to their table.

Foreign keys may point at own tables and at {", ".join(PUBLISHED_TABLES)}. Every core table may be read, in views,
functions and backfills. A file may end with a part that takes the migration back, behind a line that is exactly
`-- down`; it is checked like the rest.

A file runs in one transaction, unless a line of its own before the first statement says otherwise. `{OUTSIDE_MARKER}`
runs one CREATE, DROP or REINDEX INDEX CONCURRENTLY, or one ALTER TABLE … VALIDATE CONSTRAINT, which block nobody: a
killed attempt is resumed, an invalid index that it left is dropped and built anew. `{BATCHES_MARKER}` runs one INSERT,
UPDATE or DELETE with a LIMIT again and again, each time in a transaction of its own, until it changes no row: a killed
backfill goes on where it stopped.

Functions are in `sql` or `plpgsql`; their bodies are read like the migration itself. They and all expressions may
call own functions and PostgreSQL's harmless ones (`migrations/lint/functions.py`).
"""


def page(rule: Rule) -> str:
    """Return one rule's page."""
    return (
        f"## {rule.id}: {rule.title}\n\n"
        f"**What.** {rule.what}\n\n"
        f"**Why it harms.** {rule.why}\n\n"
        f"**Write instead.** {rule.instead}\n\n"
        f"```sql\n-- refused\n{rule.bad}\n\n-- allowed\n{rule.good}\n```\n"
        if rule.severity == "error"
        else f"## {rule.id}: {rule.title}\n\n"
        f"**What.** {rule.what}\n\n"
        f"**Why it may harm.** {rule.why}\n\n"
        f"**Write instead.** {rule.instead}\n\n"
        f"```sql\n-- warned about\n{rule.bad}\n\n-- better\n{rule.good}\n```\n"
    )


def document() -> str:
    """Return docs/migrations.md."""
    return "\n".join([_INTRODUCTION, *(page(rule) for rule in RULES)])
