"""Rules on names: which name an object may have, and in which schema it stands."""

from __future__ import annotations

from collections.abc import Iterator

from migrations.lint.facts import (
    Changes,
    Creates,
    CreatesIndexName,
    Drops,
    Fact,
    ForeignKey,
    Joins,
    Reads,
    Renames,
    UsesType,
    Writes,
)
from migrations.lint.lexer import QUOTED, WORD, Token
from migrations.lint.names import MAX_NAME_BYTES, Name, is_clean, plugin_of
from migrations.lint.readers import ALLOWED, NOT_LISTED
from migrations.lint.rules.rule import Context, Hit

_MADE_BESIDE = {"sequence": "a sequence", "multirange type": "a type"}
_NAMING: tuple[type[Fact], ...] = (Creates, CreatesIndexName, Changes, Drops, Writes)


def not_listed(context: Context) -> Iterator[Hit]:
    """Yield the place where reading stopped."""
    if context.reading.failure is None:
        return
    at, reason = context.reading.failure
    if reason == NOT_LISTED:
        allowed = f"statement not allowed in a migration: {context.reading.form}. Allowed: {ALLOWED}"
        yield Hit(context.statement.start, allowed)
    else:
        yield Hit(at, f"this part of {context.reading.form} is not known to the check: {reason}")


def prefix(context: Context) -> Iterator[Hit]:
    """Yield created objects without the prefix, but for misplaced (M002) and misspelt (M003) ones."""
    for fact in context.all(Creates):
        name = fact.name
        if not name.bare or context.ownership.owns(name):
            continue
        if is_clean(name.last) and len(name.last) <= MAX_NAME_BYTES:
            other = plugin_of(name.last)
            belongs = f'; that one belongs to plugin "{other}"' if other else ""
            wanted = context.own_name("<name>" if other else name.last)
            yield Hit(name.at, f'{fact.kind} "{name.last}" must be named {wanted}{belongs}')


def schema(context: Context) -> Iterator[Hit]:
    """Yield created and read names in other schemas, and own names that stand in one."""
    for fact in (*context.all(Creates, CreatesIndexName), *context.anywhere(Reads)):
        if not fact.name.bare or (isinstance(fact, Reads) and fact.name.last.startswith("pg_")):
            yield _elsewhere(fact.name)
    named = [fact.name for fact in (*context.all(Changes, Drops), *context.anywhere(Writes, UsesType))]
    named += [joined.parent for joined in context.all(Joins)]
    named += [key.target for key in context.all(ForeignKey)]
    for name in named:
        if context.misplaced(name):
            yield _elsewhere(name)


def _elsewhere(name: Name) -> Hit:
    return Hit(name.at, f'"{name}": plugin objects live in the default schema; write the bare name')


def spelling(context: Context) -> Iterator[Hit]:
    """Yield names that are too long or not ASCII, and names of objects that are not in lower case."""
    for token in context.statement.tokens:
        if token.kind in (WORD, QUOTED) and (hit := _misspelt(token)):
            yield hit
    made = [fact.name for fact in context.all(Creates, CreatesIndexName)]
    for name in (*made, *(renamed.new for renamed in context.all(Renames))):
        short = len(name.last.encode(errors="replace")) <= MAX_NAME_BYTES
        if short and not is_clean(name.last) and name.last.isprintable():
            folded = name.last.lower()
            yield Hit(name.at, f'identifier "{name.last}" is not {folded} to PostgreSQL; use lower case a-z, 0-9, _')


def _misspelt(token: Token) -> Hit | None:
    if len(token.text.encode(errors="replace")) > MAX_NAME_BYTES:
        message = f'identifier "{token.text[:70]}" has more than {MAX_NAME_BYTES} bytes; PostgreSQL would cut it'
        return Hit(token.start, message)
    if token.kind == WORD and not token.text.isascii() and token.text.isprintable():
        return Hit(token.start, f'identifier "{token.text}" has letters outside ASCII; use lower case a-z, 0-9, _')
    return None


def index_names(context: Context) -> Iterator[Hit]:
    """Yield names of constraints and clauses that make an object, without the prefix."""
    for fact in context.all(CreatesIndexName):
        if fact.name.bare and not context.ownership.owns(fact.name) and is_clean(fact.name.last):
            made = _MADE_BESIDE.get(fact.what, "an index")
            message = f'{fact.what} "{fact.name.last}" makes {made} of that name in the shared schema'
            yield Hit(fact.name.at, f"{message}; name it {context.own_name()}")


def core_names(context: Context) -> Iterator[Hit]:
    """Yield names in a core migration that have a plugin's prefix."""
    for fact in (*context.reading.facts, *context.reading.body):
        name = getattr(fact, "name", None)
        if isinstance(fact, _NAMING) and name is not None and plugin_of(name.last):
            yield Hit(name.at, f'"{name.last}" has a plugin\'s prefix; core objects have none')
