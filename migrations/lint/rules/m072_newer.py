"""M072: what one supported PostgreSQL does not know stops a server that runs on it."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Calls
from migrations.lint.functions import needs
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report functions that came later; the readers report syntax."""
    for call in context.anywhere(Calls):
        release = needs(call.name)
        if release is not None and not context.ownership.owns(call.name):
            yield Hit(call.at, f"{call.name}() needs PostgreSQL {release}; 15 and newer are supported")


RULE = Rule(
    id="M072",
    title="Needs a newer PostgreSQL",
    what="Syntax and functions that PostgreSQL 16, 17 or 18 brought, such as JSON_TABLE, MERGE … RETURNING, `1_000`.",
    why=(
        "The server runs on PostgreSQL 15 to 18. A migration that only some of them understand stops the start of "
        "every server on the others."
    ),
    instead="Write it with what PostgreSQL 15 knows.",
    bad="CREATE VIEW p_audit__v AS SELECT action FROM p_audit__entry WHERE action IS JSON;",
    good="CREATE VIEW p_audit__v AS SELECT payload->>'action' AS action FROM p_audit__entry;",
    check=check,
    applies="both",
)
