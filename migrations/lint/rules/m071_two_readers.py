"""M071: two readers must agree before a statement is trusted."""

from __future__ import annotations

from migrations.lint.rules.rule import Rule

RULE = Rule(
    id="M071",
    title="Two readers disagree",
    what=(
        "A statement that sqlglot's tree and this check's own readers understand differently: its kind, its "
        "extent, or the names in it."
    ),
    why=("One of them is wrong, and nobody knows which. The statement is refused until the check is better."),
    instead="Write the statement in a plainer way, and please report it: this is a fault of the check.",
    bad="COMMENT ON TABLE p_audit__a IS E'it'\n'\\'s'; DROP TABLE p_audit__b; --';",
    good="COMMENT ON TABLE p_audit__a IS 'it''s';\nDROP TABLE p_audit__b;",
    applies="both",
)
