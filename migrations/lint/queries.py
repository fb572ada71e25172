"""Holds a plugin's named queries against the rules for statements at run time.

A query touches rows only: it writes own tables, reads own and the published tables of the server, locks no rows of
others and calls no function that a migration may not call. Where a table has a ``tenant_id``, the statement restricts
it, or says in a line ``-- all tenants: reason`` why it does not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from migrations.lint.cursor import Cursor, UnreadableError
from migrations.lint.facts import Calls, Fact, Locks, Notifies, Reads, Refused, Writes
from migrations.lint.functions import is_safe, needs
from migrations.lint.lexer import Token, lex
from migrations.lint.names import PUBLISHED_TABLES, Ownership
from migrations.lint.readers import query

TENANT = "tenant_id"
_PARAMETER = re.compile(r"%(?:\((?P<name>[A-Za-z_]\w*)\)(?:s|b|t)|(?P<plain>[sbt])|(?P<percent>%))")
_ALL_TENANTS = re.compile(r"^[ \t]*--[ \t]*all tenants:[ \t]*\S", re.MULTILINE)
_RESTRICTS = frozenset({"where", "on", "using"})


def numbered(text: str) -> str:
    """Return a query of psycopg's as PostgreSQL has it, with ``$1`` for the first parameter."""
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        if found["percent"]:
            return "%"
        name = found["name"] or f"{len(names)}"
        return f"${names.setdefault(name, len(names) + 1)}"

    return _PARAMETER.sub(number, text)


def faults(plugin: str, text: str, with_tenant: Collection[str]) -> list[str]:
    """Return what is wrong with a named query; ``with_tenant`` are the tables that have a ``tenant_id``."""
    statement = numbered(text)
    tokens = lex(statement).tokens
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    facts: list[Fact] = []
    c = Cursor(tokens, facts)
    try:
        query.query(c)
        c.expect_end()
    except UnreadableError as error:
        line = statement.count("\n", 0, error.at) + 1
        return [f"line {line}: {error}"]
    found = [*_reaches(Ownership(plugin), facts)]
    touched = {fact.name.last for fact in facts if isinstance(fact, Reads | Writes)} & set(with_tenant)
    if touched and not _names_tenant(tokens) and not _ALL_TENANTS.search(text):
        tables = ", ".join(sorted(touched))
        found.append(f"{TENANT} of {tables} is not restricted; name it, or say why in a line -- all tenants: reason")
    return found


def _names_tenant(tokens: Collection[Token]) -> bool:
    """Whether the statement restricts the tenant, or writes it into a row."""
    restricts = inserts = False
    for token in tokens:
        restricts |= token.kind == "word" and token.text in _RESTRICTS
        inserts |= token.text == "insert"
        if token.text == TENANT and (restricts or inserts):
            return True
    return False


def _reaches(ownership: Ownership, facts: Collection[Fact]) -> Iterator[str]:
    for fact in facts:
        if isinstance(fact, Refused):
            yield fact.message
        elif isinstance(fact, Writes) and not ownership.owns(fact.name):
            yield f"{fact.verb} {fact.name}: a plugin writes only {ownership.prefix}… tables"
        elif isinstance(fact, Reads) and not ownership.owns(fact.name) and fact.name.last not in PUBLISHED_TABLES:
            yield f"{fact.name} may not be read; own tables and {', '.join(PUBLISHED_TABLES)} may"
        elif isinstance(fact, Locks) and not all(map(ownership.owns, fact.names)):
            yield f"FOR {fact.mode} locks rows of others"
        elif (
            isinstance(fact, Calls)
            and not ownership.owns(fact.name)
            and not is_safe(fact.name)
            and not needs(fact.name)
        ):
            yield f"function {fact.name}() is not on the list of functions that a plugin may call"
        elif isinstance(fact, Notifies) and not (fact.channel or "").startswith(ownership.prefix):
            yield f"pg_notify(): the channel must begin with {ownership.prefix}"
