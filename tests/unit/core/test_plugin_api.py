"""The Plugin API is frozen: a change of a public name or signature of ``core`` is a decision, not an accident."""

from __future__ import annotations

from pathlib import Path

from tests.support.api_listing import listing

SNAPSHOT = Path(__file__).with_name("plugin_api.txt")
COMMAND = ".venv/bin/python -m tests.support.api_listing > tests/unit/core/plugin_api.txt"


def test_the_plugin_api_is_the_one_of_its_listing() -> None:
    """To change it: tell plugin authors in CHANGELOG.md, and write the listing anew with the command."""
    before, now = (text.splitlines() for text in (SNAPSHOT.read_text(encoding="utf-8"), listing()))
    changes = [f"- {line}" for line in before if line not in now] + [f"+ {line}" for line in now if line not in before]
    assert now == before, "\n".join(["the Plugin API has changed:", *changes, COMMAND])
