"""M042: triggers run inside other people's statements."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import Triggers
from migrations.lint.rules.rule import Context, Hit, Rule

_BUILT_IN = ("suppress_redundant_updates_trigger", "tsvector_update_trigger")


def check(context: Context) -> Iterator[Hit]:
    """Report triggers on, or by, what is not own."""
    for fact in context.all(Triggers):
        if context.foreign(fact.table):
            yield Hit(fact.at, f'trigger on "{fact.table}": triggers only on {context.own_name()} tables')
        built_in = fact.function.last in _BUILT_IN and fact.function.parts[:-1] in ((), ("pg_catalog",))
        if not built_in and not context.ownership.owns(fact.function):
            yield Hit(fact.function.at, f'trigger runs "{fact.function}", which is not this plugin\'s function')


RULE = Rule(
    id="M042",
    title="Trigger on a table or with a function of others",
    what=(
        "A trigger whose table or function is not the plugin's (built-in `suppress_redundant_updates_trigger` "
        "and `tsvector_update_trigger` excepted)."
    ),
    why=(
        "A trigger on a core table runs in every transaction of the server: it slows, blocks or changes what "
        "the server does."
    ),
    instead=("Put triggers on own tables only; to follow the server's events, subscribe to them in the plugin."),
    bad="CREATE TRIGGER t AFTER INSERT ON workflow_event FOR EACH ROW EXECUTE FUNCTION p_audit__f();",
    good="CREATE TRIGGER t AFTER INSERT ON p_audit__entry FOR EACH ROW EXECUTE FUNCTION p_audit__f();",
    check=check,
)
