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
    bad="(no statement is known that PostgreSQL accepts and that ought to pass)",
    good="(any plainer form of the same statement)",
    applies="both",
)
