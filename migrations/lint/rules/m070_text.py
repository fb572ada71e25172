"""M070: a file must be plain SQL before it can mean anything."""

from __future__ import annotations

from migrations.lint.rules.rule import Rule

RULE = Rule(
    id="M070",
    title="Not plain SQL text",
    what=(
        "A file that is not UTF-8, is over 1 MiB, holds NUL, a byte order mark, control characters or exotic "
        "white space outside literals, template leftovers (`{{`, `{%`, `:name`, `$1`), psql commands, other "
        "tools' up/down markers, literals or comments without an end."
    ),
    why=("Two programs read such text in two ways; the one that checks it and the one that runs it must not."),
    instead="Save the file as plain UTF-8 with SQL statements only.",
    bad="\\i other.sql",
    good="-- paste the statements of other.sql here",
    applies="both",
)
