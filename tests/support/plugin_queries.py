"""Prepares a plugin's named queries on a real PostgreSQL, and finds the SQL that its Python puts together.

A query touches rows only: it writes own tables, reads own and the published tables of the server, locks no rows of
others and calls no function that a migration may not call. Where a table has a ``tenant_id``, the statement restricts
it, or says in a line ``-- all tenants: reason`` why it does not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg

from migrations.lint.cursor import Cursor, UnreadableError
from migrations.lint.facts import Fact, Locks, Reads, Refused, Writes
from migrations.lint.lexer import Token, lex
from migrations.lint.names import PUBLISHED_TABLES, Ownership
from migrations.lint.readers import query
from migrations.lint.rules.statements import wrong_call

TENANT = "tenant_id"
_PARAMETER = re.compile(r"%(?:\((?P<name>[A-Za-z_]\w*)\)(?:s|b|t)|(?P<plain>[sbt])|(?P<percent>%))")
_ALL_TENANTS = re.compile(r"^[ \t]*--[ \t]*all tenants:[ \t]*\S", re.MULTILINE)
_RESTRICTS = frozenset({"where", "on", "using"})
_STATEMENTS = ("select", "with", "insert", "update", "delete", "merge", "values", "(")
_EXECUTES = ("execute", "executemany", "stream")


def query_faults(connection: psycopg.Connection[Any], plugin: str, queries: Mapping[str, str]) -> list[str]:
    """Return the faults of the queries: PostgreSQL's when it prepares them, and those by the rules.

    A piece of a query, which begins with AND or ORDER BY, is prepared behind the statements of the same file; it must
    fit one of them.
    """
    rows = connection.execute("SELECT table_name FROM information_schema.columns WHERE column_name = %s", [TENANT])
    with_tenant = {row[0] for row in rows.fetchall()}
    statements = {name: text for name, text in queries.items() if _is_statement(text)}
    found = []
    for name, text in queries.items():
        if name in statements:
            found += [f"{name}: {fault}" for fault in _faults(plugin, text, with_tenant)]
            problems = [_prepare(connection, text)]
        else:
            problems = [_prepare(connection, f"{whole}\n{text}") for whole in statements.values()]
        if not problems:
            found += [f"{name}: {fault}" for fault in _faults(plugin, text, with_tenant)]
        elif all(problems):
            found.append(f"{name}: {problems[0]}")
    return found


def _is_statement(text: str) -> bool:
    tokens = lex(_numbered(text)).tokens
    return bool(tokens) and tokens[0].text in _STATEMENTS


def _prepare(connection: psycopg.Connection[Any], text: str) -> str | None:
    """Return why PostgreSQL cannot prepare a query, or None."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"PREPARE checked AS {_numbered(text)}".encode())
            connection.execute("DEALLOCATE checked")
    except psycopg.Error as error:
        return " ".join(str(error).split())
    return None


def dynamic_sql(folder: Path) -> Iterator[str]:
    """Yield the places where a plugin's Python hands a text that it makes to the database."""
    for path in sorted(folder.rglob("*.py")):
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _EXECUTES
            if (
                called
                and isinstance(node, ast.Call)
                and node.args
                and isinstance(node.args[0], ast.JoinedStr | ast.BinOp)
            ):
                yield f"{path.name}:{node.lineno}"


def _numbered(text: str) -> str:
    """Return a query of psycopg's as PostgreSQL has it, with ``$1`` for the first parameter."""
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        if found["percent"]:
            return "%"
        name = found["name"] or f"{len(names)}"
        return f"${names.setdefault(name, len(names) + 1)}"

    return _PARAMETER.sub(number, text)


def _faults(plugin: str, text: str, with_tenant: Collection[str]) -> list[str]:
    """Return the faults of a named query; ``with_tenant`` are the tables that have a ``tenant_id``."""
    statement = _numbered(text)
    tokens = lex(statement).tokens
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    facts: list[Fact] = []
    c = Cursor(tokens, facts, parameters=True)
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
    """Yield the objects of others that a query touches in a way that it may not."""
    for fact in facts:
        fault = fact.message if isinstance(fact, Refused) else wrong_call(ownership, fact)
        if isinstance(fact, Writes) and not ownership.owns(fact.name):
            fault = f"{fact.verb} {fact.name}: a plugin writes only {ownership.prefix}… tables"
        elif isinstance(fact, Reads) and not ownership.owns(fact.name) and fact.name.last not in PUBLISHED_TABLES:
            fault = f"{fact.name} may not be read; own tables and {', '.join(PUBLISHED_TABLES)} may"
        elif isinstance(fact, Locks) and not all(map(ownership.owns, fact.names)):
            fault = f"FOR {fact.mode} locks rows of others"
        if fault:
            yield fault
