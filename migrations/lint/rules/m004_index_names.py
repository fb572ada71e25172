"""M004: constraints make indexes, and index names are global."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import CreatesIndexName
from migrations.lint.names import is_clean
from migrations.lint.rules.rule import Context, Hit, Rule

_MADE = {"sequence": "a sequence", "multirange type": "a type"}


def check(context: Context) -> Iterator[Hit]:
    """Report such names without the prefix; M003 takes the misspelt ones."""
    for fact in context.all(CreatesIndexName):
        if fact.name.bare and not context.ownership.owns(fact.name) and is_clean(fact.name.last):
            made = _MADE.get(fact.what, "an index")
            message = f'{fact.what} "{fact.name.last}" makes {made} of that name in the shared schema'
            yield Hit(fact.name.at, f"{message}; name it {context.own_name()}")


RULE = Rule(
    id="M004",
    title="Constraint or clause that makes an index or sequence without the prefix",
    what=(
        "The name of a PRIMARY KEY, UNIQUE or EXCLUDE constraint, of `USING INDEX`, of an identity's "
        "`SEQUENCE NAME`, of a multirange type."
    ),
    why=(
        "PostgreSQL makes an index (a sequence, a type) of that very name in the shared schema, where it can "
        "take the place of the server's."
    ),
    instead=("Give the constraint the plugin's prefix, or no name: PostgreSQL then derives one from the table's."),
    bad="CREATE TABLE p_audit__a (id int, CONSTRAINT worker_queue_key UNIQUE (id));",
    good="CREATE TABLE p_audit__a (id int, CONSTRAINT p_audit__a_id_key UNIQUE (id));",
    check=check,
)
