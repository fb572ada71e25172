"""Rules on statements and bodies: the rows that they write and lock, the functions that they call, how a file runs."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import (
    Attribute,
    Calls,
    Changes,
    Concurrent,
    Creates,
    Fact,
    Locks,
    NamesSequence,
    Notifies,
    Reads,
    ReadsSetting,
    Refused,
    Renames,
    Writes,
)
from migrations.lint.functions import is_safe, may_read, needs
from migrations.lint.modes import OUTSIDE_MARKER
from migrations.lint.names import Name, Ownership
from migrations.lint.readers.types import is_builtin
from migrations.lint.rules.rule import Context, Hit

_BATCHED = ("INSERT", "UPDATE", "DELETE", "WITH")


def writes(context: Context) -> Iterator[Hit]:
    """Yield writes to tables of others, and to own views that lead to them."""
    for fact in context.all(Writes):
        if fault := _wrong_target(context, fact):
            yield Hit(fact.at, fault)
    for made in context.all(Creates):
        writer = context.world.body_writes.get(made.name.last)
        if made.kind == "view" and writer and _over_others(context):
            yield Hit(made.at, f"function {writer} writes {made.name}: this view would lead it to tables of others")
    for renamed in context.all(Renames):
        writer = context.world.body_writes.get(renamed.new.last)
        if writer and renamed.kind != "constraint" and context.world.reaches_others(renamed.old.last):
            yield Hit(renamed.at, f"function {writer} writes {renamed.new}: the view would lead it to tables of others")


def _wrong_target(context: Context, fact: Writes) -> str:
    if context.foreign(fact.name):
        return f"{fact.verb} {fact.name}: a plugin writes only {context.own_name()} tables"
    if context.world.reaches_others(fact.name.last):
        return f"{fact.verb} {fact.name}: this view leads to tables that are not the plugin's"
    return ""


def _over_others(context: Context) -> bool:
    """Whether the statement reads, directly or through own views, a table that is not the plugin's."""
    return any(_leads_to_others(context, fact.name) for fact in context.all(Reads))


def _leads_to_others(context: Context, name: Name) -> bool:
    return not context.ownership.owns(name) or context.world.reaches_others(name.last)


def row_locks(context: Context) -> Iterator[Hit]:
    """Yield row locks on tables of others, and views that would lead the lock of a function to them."""
    for fact in context.anywhere(Locks):
        names = sorted({str(name) for name in fact.names if _leads_to_others(context, name)})
        if names:
            yield Hit(fact.at, f"FOR {fact.mode} locks rows of {', '.join(names)} against the running servers")
    for made in context.all(Creates):
        locker = context.world.body_locks.get(made.name.last)
        if made.kind == "view" and locker and _over_others(context):
            message = f"function {locker} locks rows of {made.name}: this view would lead it to tables of others"
            yield Hit(made.at, message)


def calls(context: Context) -> Iterator[Hit]:
    """Yield calls in the statement itself that are not on the list, and attributes that are calls."""
    for fact in context.reading.facts:
        if fault := wrong_call(context.ownership, fact):
            yield Hit(fact.at, fault)
    for attribute in context.anywhere(Attribute):
        if context.world.is_no_column(attribute.relation, attribute.name):
            called = f"{attribute.name}({attribute.relation})"
            yield Hit(attribute.at, f"{attribute.relation} has no such column; this means the function {called}")


def wrong_call(ownership: Ownership, fact: Fact) -> str:
    """Return the fault of a call, of a setting that is read or of a channel that is notified, or ''."""
    if isinstance(fact, Calls):
        ours = ownership.owner(fact.name) in ("plugin", "other plugin")  # M020 speaks of those of other plugins
        known = ours or is_safe(fact.name) or needs(fact.name) is not None
        return "" if known else f"function {fact.name}() is not on the list of functions that a plugin may call"
    if isinstance(fact, ReadsSetting) and (fact.setting is None or not may_read(fact.setting, ownership.prefix)):
        fault = f'"{fact.setting[:60]}" may not be read' if fact.setting else "the setting must be a plain literal"
        return f"current_setting(): {fault}; a plugin may read settings such as timezone and those called app.…"
    if isinstance(fact, Notifies):
        prefix = ownership.prefix
        channel = fact.channel or ""
        if not channel.startswith(prefix) or (fact.whole and channel == prefix):
            return f"pg_notify(): the channel must begin with '{prefix}', as a literal or a literal || something"
    return ""


def literals(context: Context) -> Iterator[Hit]:
    """Yield literals that name objects of others, and arguments in their place that are no literals."""
    for fact in context.anywhere(NamesSequence):
        if fact.name is None:
            yield Hit(fact.at, f"{fact.function}: the name must be a plain literal, so that it can be checked")
        elif not context.ownership.owns(fact.name) and not _harmless(fact.function, fact.name):
            what = "sequence" if fact.function.endswith("val") else fact.function
            yield Hit(fact.at, f'{what} "{fact.name}" is not this plugin\'s')


def _harmless(function: str, name: Name) -> bool:
    if function == "regtype":
        return is_builtin(name)
    return function.startswith("reg") and "proc" in function and is_safe(name)


def bodies(context: Context) -> Iterator[Hit]:
    """Yield the faults of a body; the line in the message is counted from the statement's first."""
    made = next(context.all(Creates), None)
    if made is None:
        return
    for fact in context.reading.body:
        fault = fact.message if isinstance(fact, Refused) else wrong_call(context.ownership, fact)
        if isinstance(fact, Writes):
            fault = _wrong_target(context, fact)
        if fault:
            line = context.sql.count("\n", context.statement.start, fact.at) + 1
            yield Hit(fact.at, f"{made.name} line {line}: {fault}")


def service(context: Context) -> Iterator[Hit]:
    """Yield statements that cannot run in a transaction, and those that do not fit the mode of the file."""
    concurrent = list(context.all(Concurrent))
    changes = list(context.all(Changes))
    for fact in concurrent:
        if context.mode == "outside":
            if fact.fault:
                yield Hit(fact.at, fact.fault)
        elif any(change.name.last in context.world.new_tables for change in changes):
            yield Hit(fact.at, f"{fact.what}: this file makes the table, which is empty; leave CONCURRENTLY out")
        else:
            own = f'give it a file of its own, which begins with the line "{OUTSIDE_MARKER}"'
            yield Hit(fact.at, f"{fact.what} cannot run inside a migration's transaction; {own}")
    validates = any(change.action == "VALIDATE CONSTRAINT" for change in changes)
    start = context.statement.start
    if context.mode == "outside" and not concurrent and not validates:
        known = "CREATE, DROP and REINDEX INDEX CONCURRENTLY and VALIDATE CONSTRAINT"
        yield Hit(start, f"outside a transaction run {known}")
    if context.mode == "batches" and not _is_batch(context):
        yield Hit(start, "a batch is one INSERT, UPDATE or DELETE with a LIMIT, which ends when it changes no row")


def _is_batch(context: Context) -> bool:
    words = {token.text for token in context.statement.tokens}
    return context.reading.form.split()[0] in _BATCHED and "limit" in words


def newer(context: Context) -> Iterator[Hit]:
    """Yield calls of functions that came after PostgreSQL 15."""
    for call in context.anywhere(Calls):
        release = needs(call.name, call.arguments)
        if release is not None and not context.ownership.owns(call.name):
            yield Hit(call.at, f"{call.name}() needs PostgreSQL {release}; 15 and newer are supported")
