"""Statements end where PostgreSQL ends them, and the slices are the file's own characters."""

from __future__ import annotations

import pytest

from migrations.lint import sections, split
from tests.support.lint_cases import cases


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("a; b", ["a", "b"]),
        (" ; ;; a ;", ["a"]),
        ("-- x; y\na", ["a"]),
        ("-- x\ra; b", ["a", "b"]),
        ("/* ; /* ; */ ; */ a /* ; */; b", ["a", "b"]),
        ("SELECT ';'; b", ["SELECT ';'", "b"]),
        ("SELECT 'it''s;'; b", ["SELECT 'it''s;'", "b"]),
        (r"SELECT '\'; b", [r"SELECT '\'", "b"]),
        (r"SELECT E'\';'; b", [r"SELECT E'\';'", "b"]),
        (r"SELECT E'\\'; b", [r"SELECT E'\\'", "b"]),
        ("SELECT E'a'\n'\\';'; b", ["SELECT E'a'\n'\\';'", "b"]),
        ("SELECT 'a'\n'\\'; b", ["SELECT 'a'\n'\\'", "b"]),
        ("SELECT 'a' -- c\n ';'; b", ["SELECT 'a' -- c\n ';'", "b"]),
        ("SELECT U&'\\0041;'; b", ["SELECT U&'\\0041;'", "b"]),
        ('SELECT "a;""b;"; b', ['SELECT "a;""b;"', "b"]),
        ("SELECT $$;$$; b", ["SELECT $$;$$", "b"]),
        ("SELECT $a$;$$;$b$;$a$; b", ["SELECT $a$;$$;$b$;$a$", "b"]),
        ("SELECT $é$;$é$; b", ["SELECT $é$;$é$", "b"]),
        ("SELECT a$$ ; b$$", ["SELECT a$$", "b$$"]),
        ("SELECT $1; b", ["SELECT $1", "b"]),
        ("SELECT 1--x;\n; b", ["SELECT 1", "b"]),
        ("EXECUTE p(';'); b", ["EXECUTE p(';')", "b"]),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN 1 END; END; b",
         ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN 1 END; END", "b"]),
        ("CREATE OR REPLACE PROCEDURE f() BEGIN ATOMIC END; b", ["CREATE OR REPLACE PROCEDURE f() BEGIN ATOMIC END", "b"]),
        ("CREATE TABLE begin (atomic int); b", ["CREATE TABLE begin (atomic int)", "b"]),
        ("BEGIN; a; END; b", ["BEGIN", "a", "END", "b"]),
        ("CREATE RULE r AS ON INSERT TO t DO ALSO (a; b); c", ["CREATE RULE r AS ON INSERT TO t DO ALSO (a; b)", "c"]),
    ],
)  # fmt: skip
def test_statements_end_where_postgres_ends_them(sql: str, expected: list[str]) -> None:
    """Literals, comments and bodies may hold semicolons."""
    assert [statement.text for statement in split(sql)] == expected


def test_slices_are_the_files_own_characters() -> None:
    """A statement that is sent to the server is cut from the file, and never put together anew."""
    for case in (*cases("good"), *cases("bad")):
        for statement in split(case.sql):
            assert case.sql[statement.start : statement.end] == statement.text
            assert statement.line == case.sql[: statement.start].count("\n") + 1


@pytest.mark.parametrize(
    ("sql", "up", "down"),
    [
        ("a;", "a;", None),
        ("a;\n-- down\nb;", "a;\n", "\nb;"),
        ("-- down\nb;", "", "\nb;"),
        ("a;\r\n-- down\r\nb;", "a;\r\n", "\r\nb;"),
        ("SELECT '\n-- down\n';", "SELECT '\n-- down\n';", None),
        ("/*\n-- down\n*/", "/*\n-- down\n*/", None),
        ("a; -- down\nb;", "a; -- down\nb;", None),
        ("--down\nb;", "--down\nb;", None),
        ("-- down the road\nb;", "-- down the road\nb;", None),
    ],
)
def test_files_part_at_the_line_down(sql: str, up: str, down: str | None) -> None:
    """Only a line that is exactly ``-- down``, outside literals and comments, parts a file."""
    assert sections(sql) == (up, down)
