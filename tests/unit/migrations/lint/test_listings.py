"""Findings point at the place that they name, and facts are those that the rules judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.lint_listing import COMMAND, fixtures, listing, listing_file


def _name(fixture: Path) -> str:
    return f"{fixture.parent.name}.{fixture.stem}"


@pytest.mark.parametrize("fixture", fixtures(), ids=_name)
def test_findings_and_facts_are_those_of_the_listing(fixture: Path) -> None:
    """To change one: read the difference as an author of a migration would, and write the listings anew."""
    before, now = (text.splitlines() for text in (listing_file(fixture).read_text(encoding="utf-8"), listing(fixture)))
    changes = [f"- {line}" for line in before if line not in now] + [f"+ {line}" for line in now if line not in before]
    assert now == before, "\n".join([f"the linter says something else about {_name(fixture)}:", *changes, COMMAND])
