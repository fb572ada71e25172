"""SQL files with named queries."""

from __future__ import annotations

import pytest

from core.named_queries import parse_queries


def test_queries_are_found_by_name() -> None:
    """Comments before the first name and below a name stay harmless."""
    queries = parse_queries("-- file\n-- name: one\n-- why\nSELECT 1\n\n-- name: two\nSELECT 2\n", "x.sql")
    assert queries == {"one": "-- why\nSELECT 1", "two": "SELECT 2"}


@pytest.mark.parametrize("text", ["", "SELECT 1", "-- name: a\nX\n-- name: a\nY", "-- name: a\n-- name: b\nX"])
def test_files_without_proper_names_are_refused(text: str) -> None:
    """No name, a name twice and a name without a query are mistakes."""
    with pytest.raises(ValueError, match=r"x\.sql"):
        parse_queries(text, "x.sql")
