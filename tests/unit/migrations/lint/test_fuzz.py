"""No text makes the linter raise or hang, and what it passes it passes for a reason."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.migration import MAX_MIGRATION_BYTES
from migrations.lint import Finding, lint, lint_bytes, lint_core, owned_objects, sections, split
from migrations.lint.lexer import lex
from tests.support.lint_cases import PLUGIN, cases, setup_sql

SECONDS = 20.0
"""Processor time that a text may take: ten times what a slow machine needs. Work that grows with the square takes minutes."""
_TEXTS = [case.sql for kind in ("good", "bad") for case in cases(kind)]
_PIECES = sorted({text[token.start : token.end] for text in _TEXTS for token in lex(text).tokens})
_ODD = (
    "'",
    '"',
    "$$",
    "$x$",
    "--",
    "/*",
    "*/",
    ";",
    "(",
    ")",
    "[",
    "]",
    "\\",
    "\x00",
    "\ufeff",
    "\u00a0",
    "{{",
    "E'",
    'U&"',
    "::",
    ":",
    "$1",
    "\r",
    "-- down\n",
)
_LONG = MAX_MIGRATION_BYTES - 64


def timed(sql: str) -> list[Finding]:
    """Check a text, and that it does not take too much of the processor (the clock would count what else the machine does)."""
    start = time.process_time()
    findings = lint(PLUGIN, sql)
    assert time.process_time() - start < SECONDS
    return findings


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec=None), max_size=200))
def test_any_text_is_judged(sql: str) -> None:
    """Arbitrary characters, half ones included, give findings and never an exception."""
    lint(PLUGIN, sql)
    lint_core(sql)
    owned_objects(PLUGIN, [sql])
    assert all(sql[one.start : one.end] == one.text for one in split(sql))
    assert "".join(part or "" for part in sections(sql)) in (sql, sql.replace("-- down", "", 1))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_judged(content: bytes) -> None:
    """Arbitrary bytes give findings and never an exception."""
    assert all(finding.line >= 1 and finding.column >= 1 for finding in lint_bytes(PLUGIN, content))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from([*_PIECES, *_ODD]), max_size=60))
def test_any_words_are_judged(pieces: list[str]) -> None:
    """SQL's own words in any order give findings and never an exception."""
    timed(" ".join(pieces))


def mutate(rng: random.Random) -> str:
    """Change a fixture in one to four places."""
    text = rng.choice(_TEXTS)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text) + 1)
        end = min(len(text), at + rng.randint(0, 12))
        new = rng.choice(("", rng.choice(_ODD), rng.choice(_PIECES), f" {rng.choice(_PIECES)} ", text[at:end] * 2))
        text = text[:at] + new + text[end if rng.random() < 0.5 else at :]
    return text


@pytest.mark.parametrize("seed", range(8))
def test_mutated_fixtures_are_judged(seed: int) -> None:
    """Fixtures with random changes give findings and never an exception, quickly."""
    rng = random.Random(seed)
    for _ in range(150):
        lint(PLUGIN, setup_sql()[: rng.randrange(200)])
        timed(mutate(rng))


def test_cut_fixtures_are_judged() -> None:
    """A file that ends anywhere, inside a literal too, is judged."""
    rng = random.Random(1)
    for text in _TEXTS:
        timed(text[: rng.randrange(len(text) + 1)])


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("(" * 10_000 + ")" * 10_000, id="parentheses"),
        pytest.param("CREATE VIEW p_audit__v AS SELECT " + "(" * 10_000 + "1" + ")" * 10_000, id="nested query"),
        pytest.param("CREATE VIEW p_audit__v AS SELECT " + "CASE " * 10_000, id="nested CASE"),
        pytest.param(
            "CREATE FUNCTION p_audit__f() RETURNS int LANGUAGE plpgsql AS $$ " + "BEGIN " * 10_000 + "$$",
            id="nested blocks",
        ),
        pytest.param("/*" * 10_000 + "*/" * 9_999, id="nested comment without an end"),
        pytest.param("CREATE TABLE p_audit__x (t text DEFAULT 'it", id="literal without an end"),
        pytest.param("COMMENT ON TABLE p_audit__x IS $a$ text", id="dollar quote without an end"),
        pytest.param("a" * (MAX_MIGRATION_BYTES + 1), id="over 1 MiB"),
        pytest.param(
            "CREATE VIEW p_audit__v AS SELECT " + "ARRAY[" * 40 + "1" + "]" * 40, id="what keeps sqlglot busy"
        ),
    ],
)
def test_hostile_texts_are_findings(sql: str) -> None:
    """A text that cannot be read in time is refused."""
    assert any(finding.severity == "error" for finding in timed(sql))


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("(" * _LONG, id="parentheses"),
        pytest.param("'" * _LONG, id="quotes"),
        pytest.param("$" * _LONG, id="dollars"),
        pytest.param("SELECT 1;" * (_LONG // 9), id="statements"),
        pytest.param("-- a\n" * (_LONG // 5), id="comments"),
        pytest.param("-- down\n" * (_LONG // 8), id="ways back"),
        pytest.param("a." * (_LONG // 2), id="dots"),
        pytest.param("é" * (_LONG // 2), id="letters"),
        pytest.param("INSERT INTO p_audit__x VALUES " + ",".join(["(1, 'text of a row')"] * 40_000), id="rows"),
        pytest.param("COMMENT ON TABLE p_audit__x IS '" + "x" * (_LONG - 40) + "'", id="one literal"),
    ],
)
def test_long_texts_end_in_time(sql: str) -> None:
    """The work for files just under 1 MiB does not grow faster than they do."""
    timed(sql)


def test_long_lists_of_rows_pass() -> None:
    """Tens of thousands of plain rows are a fair thing to insert."""
    rows = ",".join(["(1, 'text', NULL, -2.5)"] * 20_000)
    assert lint(PLUGIN, f"INSERT INTO p_audit__x VALUES {rows}") == []
