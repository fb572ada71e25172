"""``docs/commands.md`` lists the commands and exit codes that there are."""

from __future__ import annotations

from pathlib import Path

from server.cli.reference import markdown


def test_the_document_holds_the_tables_of_the_code() -> None:
    """``server.cli.reference.markdown`` returns them."""
    assert markdown() in Path("docs/commands.md").read_text("utf-8")
