"""M000: the list of allowed forms is the rule; all else is refused."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.readers import ALLOWED, NOT_LISTED
from migrations.lint.rules.rule import Context, Hit, Rule


def check(context: Context) -> Iterator[Hit]:
    """Report where reading stopped."""
    failure = context.reading.failure
    if failure is None:
        return
    at, reason = failure
    if reason == NOT_LISTED:
        allowed = f"statement not allowed in a migration: {context.reading.form}. Allowed: {ALLOWED}"
        yield Hit(context.statement.start, allowed)
    else:
        yield Hit(at, f"this part of {context.reading.form} is not known to the check: {reason}")


RULE = Rule(
    id="M000",
    title="Statement not on the list",
    what="Any statement, or part of one, that no reader of this check knows.",
    why=(
        "A check that lets through what it does not understand can be got round. PostgreSQL has well over a "
        "hundred statement forms; a plugin needs about forty."
    ),
    instead=(
        "Write it with one of the allowed statements (docs/migrations.md#allowed), or ask for the form to be added."
    ),
    bad="ALTER SYSTEM SET work_mem = '1GB';",
    good="-- ask the operator: settings of the server are not a plugin's",
    check=check,
    applies="both",
)
