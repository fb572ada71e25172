"""sqlglot's tree catches what a blind reader of ours would let through."""

from __future__ import annotations

import pytest

from migrations.lint import lint, readers
from migrations.lint.facts import Fact, Reading
from migrations.lint.lexer import lex
from migrations.lint.second_opinion import MAX_COST, SecondOpinion
from migrations.lint.statement import Statement, split, statements


def opinion_of(sql: str, reading: Reading) -> str | None:
    """Return the difference between sqlglot's reading of a single statement and the given one."""
    tokens = lex(sql).tokens
    everything = statements(sql, tokens)
    return SecondOpinion(sql, tokens, everything).about(everything[0], reading)


@pytest.mark.parametrize(
    ("sql", "sees"),
    [
        ("CREATE TABLE tenant2 (id int)", '"tenant2"'),
        ("CREATE INDEX p_a__i ON tenant (id)", '"tenant"'),
        ("CREATE VIEW p_a__v AS SELECT 1 FROM p_b__x", '"p_b__x"'),
        ("ALTER TABLE tenant ADD COLUMN x int", '"tenant"'),
        ("DROP TABLE p_a__x, timer", "timer"),
        ("DELETE FROM timer", '"timer"'),
        ("INSERT INTO timer VALUES (1)", '"timer"'),
        ("UPDATE timer SET a = 1", '"timer"'),
        ("CREATE TABLE p_a__x (id int REFERENCES timer (id))", '"timer"'),
        ("CREATE TABLE p_a__x (id int DEFAULT core_purge())", "core_purge()"),
        ("TRUNCATE timer", '"timer"'),
    ],
)
def test_a_name_that_our_reader_missed_is_seen(sql: str, sees: str) -> None:
    """With the facts about a name taken away, the two readers disagree; with all facts they agree."""
    (statement,) = split(sql)
    reading = readers.read(statement)
    assert opinion_of(sql, reading) is None
    hidden = Reading(reading.form, [fact for fact in reading.facts if not _mentions(fact, sees)], [])
    message = opinion_of(sql, hidden)
    assert message is not None
    assert sees in message


def _mentions(fact: Fact, name: str) -> bool:
    return any(word in str(fact) for word in (name.strip('"()'),))


def test_a_write_that_our_reader_took_for_a_read_is_seen() -> None:
    """Knowing a table is not enough: it must be known as written."""
    (statement,) = split("WITH d AS (DELETE FROM p_a__x RETURNING 1) INSERT INTO p_a__y SELECT 1 FROM d")
    reading = readers.read(statement)
    assert opinion_of(statement.text, reading) is None
    reading.facts[:] = [fact for fact in reading.facts if "DELETE" not in str(fact)]
    assert "p_a__x" in str(opinion_of(statement.text, reading))


def test_another_kind_of_statement_is_seen() -> None:
    """A statement that sqlglot takes for something else is refused."""
    assert opinion_of("DROP TABLE p_a__x", Reading("CREATE TABLE")) == "sqlglot sees DROP"


def test_no_opinion_is_no_disagreement() -> None:
    """Much that plugins need is unknown to sqlglot; our readers know it."""
    sql = "ALTER TABLE p_a__x ENABLE ROW LEVEL SECURITY; ALTER TYPE p_a__k ADD VALUE 'x'; CREATE POLICY p ON p_a__x;"
    assert lint("a", sql) == []


def test_bodies_are_not_cut() -> None:
    """sqlglot would cut BEGIN ATOMIC at its semicolons and find innocent pieces."""
    sql = "CREATE FUNCTION p_a__f() RETURNS int LANGUAGE sql BEGIN ATOMIC DELETE FROM timer; SELECT 1; END"
    assert [finding.rule for finding in lint("a", sql)] == ["M041"]


def test_a_text_that_takes_too_long_is_refused_unread() -> None:
    """Nested types double sqlglot's work at every level."""
    sql = "CREATE VIEW p_a__v AS SELECT " + "ARRAY[" * 30 + "1" + "]" * 30
    tokens = lex(sql).tokens
    opinion = SecondOpinion(sql, tokens, statements(sql, tokens))
    assert ["nests too deeply" in one.message for one in opinion.disagreements] == [True]
    assert MAX_COST < 1 << 30


def test_long_rows_are_left_out() -> None:
    """Thousands of plain rows need no second reader, and the statements around them keep their places."""
    rows = ",".join(["(1, 'x')"] * 500)
    sql = f"INSERT INTO p_a__x VALUES {rows}; DROP TABLE p_a__x;"
    tokens = lex(sql).tokens
    everything: list[Statement] = statements(sql, tokens)
    opinion = SecondOpinion(sql, tokens, everything)
    assert opinion.disagreements == []
    assert len(opinion.sql) == len(sql)
    assert "(1, 'x')" not in opinion.sql
    assert opinion.about(everything[1], Reading("DROP TABLE")) is not None
