"""Reads the linter's fixtures: many cases in a file, each a migration of plugin ``audit`` after ``setup.sql``.

A case begins with ``-- case: title``, and for what must be refused with
``-- case: title | expect: M010, M041 | outcome: harm``. A line ``-- then: SQL`` in a case is not part of the
migration: the proof on PostgreSQL runs it afterwards, to set off what lies in wait.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PLUGIN = "audit"
FIXTURES = Path(__file__).parents[1] / "unit" / "migrations" / "lint" / "fixtures"
PAGES = Path(__file__).parents[2] / "docs" / "migrations.md"
OUTCOMES = ("harm", "pgerror", "session", "policy", "newer", "cascade")
"""The results that the proof on PostgreSQL can show; ``newer 17`` is refused by releases before that one, and runs on it."""
MALFORMED = FIXTURES / "malformed" / "expressions.txt"
"""Expressions that PostgreSQL's grammar refuses, one a line."""
MALFORMED_STATEMENTS = MALFORMED.with_name("statements.txt")
"""Statements that PostgreSQL's grammar refuses, one a line."""

_CASE = re.compile(r"^-- case: (?P<head>.*)\n", re.MULTILINE)
_THEN = re.compile(r"^-- then: (?P<sql>.*)\n?", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One fixture: where it stands, what it is, and what must come of it."""

    name: str
    sql: str
    expect: frozenset[str] = frozenset()
    outcome: str = ""
    then: tuple[str, ...] = ()
    since: int = 0


def setup_sql() -> str:
    """Return the migration that ran before every case."""
    return (FIXTURES / "setup.sql").read_text()


@lru_cache(maxsize=4)
def cases(kind: str) -> tuple[Case, ...]:
    """Return the cases of one folder: ``good``, ``bad``, ``warned`` or ``core``."""
    return tuple(case for path in sorted((FIXTURES / kind).glob("*.sql")) for case in cases_of(path))


def cases_of(path: Path) -> list[Case]:
    """Return the cases of one file."""
    pieces = _CASE.split(path.read_bytes().decode())
    heads, bodies = pieces[1::2], pieces[2::2]
    return [_case(path.stem, head.rstrip("\r"), body) for head, body in zip(heads, bodies, strict=True)]


def _case(file: str, head: str, body: str) -> Case:
    title, *rest = (part.strip() for part in head.split(" | "))
    said = {key: value.strip() for key, _, value in (part.partition(":") for part in rest)}
    expect = frozenset(word.strip() for word in said.get("expect", "").split(",") if word.strip())
    then = tuple(found["sql"] for found in _THEN.finditer(body))
    outcome, _, since = said.get("outcome", "").partition(" ")
    return Case(f"{file}: {title}", _THEN.sub("", body), expect, outcome, then, int(since or 0))


@dataclass(frozen=True)
class Page:
    """A rule's page: its text, and the statements of its example."""

    rule: str
    text: str
    refused: str
    harm: str
    allowed: str


@lru_cache(maxsize=1)
def pages() -> tuple[Page, ...]:
    """Return the pages of docs/migrations.md, in order."""
    sections = re.split(r"^## (?=[MWC][0-9]+: )", PAGES.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return tuple(_page(section) for section in sections)


def _page(section: str) -> Page:
    text, _, example = section.partition("```sql\n")
    parts = re.split(
        r"^-- (?:refused|warned about|the harm|allowed|better)\n", example.partition("```")[0], flags=re.MULTILINE
    )
    refused, *harm, allowed = (part.strip() for part in parts[1:])
    return Page(section.partition(":")[0], text, refused, "".join(harm), allowed)


def malformed() -> list[str]:
    """Return the expressions that no PostgreSQL reads."""
    return MALFORMED.read_text().splitlines()


def malformed_statements() -> list[str]:
    """Return the statements that no PostgreSQL reads."""
    return MALFORMED_STATEMENTS.read_text().splitlines()
