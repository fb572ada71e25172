"""Every rule, in the order of the pages in docs/migrations.md."""

from __future__ import annotations

from migrations.lint.modes import BATCHES_MARKER, OUTSIDE_MARKER
from migrations.lint.rules import names, objects, statements, warnings
from migrations.lint.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "M000",
        "Write it with one of the allowed statements (docs/migrations.md#allowed), or ask for the form to be added.",
        names.not_listed,
        applies="both",
    ),
    Rule("M001", "Begin the name with the plugin's prefix, then a-z, 0-9 and _.", names.prefix),
    Rule(
        "M002",
        "Write the bare name: plugin objects live in the default schema. A scratch table is an own table that the same"
        " migration drops.",
        names.schema,
        applies="both",
    ),
    Rule("M003", "Use lower case a-z, 0-9 and _, at most 63 characters.", names.spelling, applies="both"),
    Rule(
        "M004",
        "Give the constraint the plugin's prefix, or no name: PostgreSQL then derives one from the table's.",
        names.index_names,
    ),
    Rule(
        "M010",
        "Make an own table that references the core table by foreign key; published for that are tenant,"
        " workflow_execution, task_execution and worker.",
        objects.changes,
    ),
    Rule(
        "M011",
        "Rename only to another name with the plugin's prefix; leave schema and owner alone.",
        objects.renames,
    ),
    Rule("M012", "Drop own objects only; name each one.", objects.drops),
    Rule("M013", "List the objects that you drop, in the order in which they depend on each other."),
    Rule(
        "M020",
        "Copy the columns that you need into own tables, or reference core rows by foreign key; a plugin uses no other"
        " plugin.",
        objects.ties,
    ),
    Rule("M021", "Keep the other's id as a plain column, without a foreign key.", objects.plugin_keys),
    Rule(
        "M030",
        "Write to own tables; to change something of the server's, call it while the plugin runs.",
        statements.writes,
    ),
    Rule(
        "M031",
        "Write CREATE TABLE p_<plugin>__… AS SELECT, or INSERT INTO own table SELECT, without row locks.",
        statements.row_locks,
    ),
    Rule(
        "M032",
        "Use PostgreSQL's plain functions or an own function, whose body is checked when it is made.",
        statements.calls,
    ),
    Rule("M033", "Name an own sequence as a plain literal.", statements.literals),
    Rule("M034", "Use PostgreSQL's own; those of an extension need the extension in requires_extensions."),
    Rule("M040", "Write the function in sql or plpgsql with a dollar-quoted body and no such options."),
    Rule(
        "M041",
        "Keep to queries, own tables, own functions and PL/pgSQL's control statements; no dynamic SQL.",
        statements.bodies,
    ),
    Rule(
        "M042",
        "Put triggers on own tables only; to follow the server's events, subscribe to them in the plugin.",
        objects.triggers,
    ),
    Rule(
        "M043",
        "A migration runs once, in order: write the statement itself, without a condition around it.",
        applies="both",
    ),
    Rule(
        "M044",
        "Make the trigger AFTER DELETE, without RAISE EXCEPTION; or let its function begin with"
        " IF TG_OP = 'DELETE' THEN RETURN OLD; END IF.",
        objects.cascades,
    ),
    Rule(
        "M050",
        "Leave settings alone; only SET LOCAL lock_timeout, statement_timeout and idle_in_transaction_session_timeout"
        " are allowed, to wait for less.",
        applies="both",
    ),
    Rule("M051", "Remove it: the migration is one transaction already.", applies="both"),
    Rule(
        "M052",
        "Put CREATE, DROP or REINDEX INDEX CONCURRENTLY alone into a file that begins with the line"
        f" `{OUTSIDE_MARKER}`; write rows with INSERT, many rows in a file that begins with `{BATCHES_MARKER}`.",
        statements.service,
        applies="both",
    ),
    Rule(
        "M060",
        "Ask the operator; name needed extensions in requires_extensions of the plugin's server_plugin.",
        applies="both",
    ),
    Rule("M070", "Save the file as plain UTF-8 with SQL statements only.", applies="both"),
    Rule(
        "M071",
        "Write the statement in a plainer way, and please report it: this is a fault of the check.",
        applies="both",
    ),
    Rule("M072", "Write it in the syntax of PostgreSQL 15.", statements.newer, applies="both"),
    Rule(
        "W1",
        "Add ON DELETE CASCADE, or SET NULL where the column may be NULL.",
        at_end=warnings.on_delete,
    ),
    Rule(
        "W2",
        "Create an index that begins with the column. For a table that an earlier migration made, write CREATE INDEX"
        f" CONCURRENTLY alone into a file that begins with the line `{OUTSIDE_MARKER}`.",
        at_end=warnings.key_index,
    ),
    Rule(
        "W3",
        "Read core tables in queries of the plugin; a view that must be names only the columns that it needs.",
        at_end=warnings.view_over_core,
    ),
    Rule(
        "W4",
        "Keep such a migration short and apart from backfills, and say so in it: `-- accepted W4: the table is small`.",
        warnings.core_locks,
    ),
    Rule("W5", "Leave UNLOGGED out unless the rows are a cache.", at_end=warnings.unlogged),
    Rule(
        "W6",
        f"Add the column without a default, fill it in a file that begins with the line `{BATCHES_MARKER}`, then set"
        " the default.",
        warnings.rewrite,
    ),
    Rule("C001", "Give core objects names without the prefix.", names.core_names, applies="core"),
    Rule(
        "C010",
        "Put a line `-- destructive: <reason>` directly above the statement, with the reason for the loss.",
        objects.destructive,
        applies="core",
    ),
)

BY_ID = {rule.id: rule for rule in RULES}
"""Rules by their ids."""
