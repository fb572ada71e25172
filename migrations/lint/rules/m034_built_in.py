"""M034: operators, collations and access methods call functions, too."""

from __future__ import annotations

from migrations.lint.rules.rule import Rule

RULE = Rule(
    id="M034",
    title="Operator, collation, operator class or access method of others",
    what=(
        "An operator sign, a collation, an operator class or an access method that is neither PostgreSQL's own nor of "
        "a well-known extension (`migrations/lint/operators.py`)."
    ),
    why=(
        "Behind an operator and an operator class stands a function that runs for every row; an index or a column "
        "with somebody else's collation keeps its owner from changing it."
    ),
    instead="Use PostgreSQL's own; those of an extension need the extension in requires_extensions.",
    bad="CREATE INDEX p_audit__i ON p_audit__entry (action core_text_ops);",
    good="CREATE INDEX p_audit__i ON p_audit__entry (action text_pattern_ops);",
)
