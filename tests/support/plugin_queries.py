"""Prepares a plugin's named queries on a real PostgreSQL, and finds the SQL that its Python puts together."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg

from migrations.lint.lexer import lex
from migrations.lint.queries import TENANT, faults, numbered

_STATEMENTS = ("select", "with", "insert", "update", "delete", "merge", "values", "(")
_EXECUTES = ("execute", "executemany", "stream")


def query_faults(connection: psycopg.Connection[Any], plugin: str, queries: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the queries: what PostgreSQL says when it prepares them, and what the rules say.

    A piece of a query, which begins with AND or ORDER BY, is prepared behind the statements of the same file; it must
    fit one of them.
    """
    rows = connection.execute("SELECT table_name FROM information_schema.columns WHERE column_name = %s", [TENANT])
    with_tenant = {row[0] for row in rows.fetchall()}
    statements = {name: text for name, text in queries.items() if _is_statement(text)}
    found = []
    for name, text in queries.items():
        if name in statements:
            found += [f"{name}: {fault}" for fault in faults(plugin, text, with_tenant)]
            problems = [_prepare(connection, text)]
        else:
            problems = [_prepare(connection, f"{whole}\n{text}") for whole in statements.values()]
        if not problems:
            found += [f"{name}: {fault}" for fault in faults(plugin, text, with_tenant)]
        elif all(problems):
            found.append(f"{name}: {problems[0]}")
    return found


def _is_statement(text: str) -> bool:
    tokens = lex(numbered(text)).tokens
    return bool(tokens) and tokens[0].text in _STATEMENTS


def _prepare(connection: psycopg.Connection[Any], text: str) -> str | None:
    """Return why PostgreSQL cannot prepare a query, or None."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"PREPARE checked AS {numbered(text)}".encode())
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
