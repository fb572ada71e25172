"""SQL files with named queries."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.named_queries import joined, name_of, named_queries, parse_queries


def test_queries_are_found_by_name() -> None:
    """Comments before the first name and below a name stay harmless."""
    queries = parse_queries("-- file\n-- name: one\n-- why\nSELECT 1\n\n-- name: two\nSELECT 2\n", "x.sql")
    assert queries == {"one": "-- why\nSELECT 1", "two": "SELECT 2"}


@pytest.mark.parametrize("text", ["", "SELECT 1", "-- name: a\nX\n-- name: a\nY", "-- name: a\n-- name: b\nX"])
def test_files_without_proper_names_are_refused(text: str) -> None:
    """No name, a name twice and a name without a query are mistakes."""
    with pytest.raises(ValueError, match=r"x\.sql"):
        parse_queries(text, "x.sql")


def test_a_part_stands_in_each_query_that_uses_it() -> None:
    """A list of columns is written once; the part itself is no query."""
    text = "-- part: columns\na, b\n-- name: one\nSELECT\n    -- use: columns\nFROM t\n-- name: two\nSELECT 2\n"
    assert parse_queries(text, "x.sql") == {"one": "SELECT\na, b\nFROM t", "two": "SELECT 2"}


def test_an_unknown_part_is_refused() -> None:
    """A query without the text that it uses is never sent."""
    with pytest.raises(ValueError, match=r"x\.sql: .* 'columns'"):
        parse_queries("-- name: one\nSELECT\n-- use: columns\n", "x.sql")


def test_a_joined_statement_has_the_name_of_its_first_part() -> None:
    """Metrics name it like a query that is written whole."""
    queries = named_queries("server.storage", "task_views.sql")
    statement = joined(queries, ["page", "with_kind", "ordered"])
    assert statement == "\n".join(queries[name] for name in ("page", "with_kind", "ordered"))
    assert name_of(statement) == "task_views.page"


def test_the_queries_of_a_package_are_known_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics and log lines name a query by its package and its file; a text from elsewhere has no name."""
    (tmp_path / "some_package").mkdir()
    (tmp_path / "some_package" / "things.sql").write_text("-- name: one\nSELECT 1 -- ä\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert named_queries("some_package", "things.sql") == {"one": "SELECT 1 -- ä"}
    assert (name_of("SELECT 1 -- ä"), name_of("SELECT 2 -- ä")) == ("some_package.things.one", None)
