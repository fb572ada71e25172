"""The guide for plugin authors quotes code that exists; its commands are run by CI."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

GUIDE = Path("docs/plugin-development.md")
GAP = "# …\n"

SNIPPETS = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
PIECES = [piece for snippet in SNIPPETS for piece in snippet.split(GAP)]


def test_there_is_something_to_check() -> None:
    """The guide shows code, and its links lead somewhere."""
    assert len(PIECES) > 10
    for link in re.findall(r"\]\(([^)#:]+)\)", GUIDE.read_text("utf-8")):
        assert (GUIDE.parent / link).exists(), link


@pytest.mark.parametrize("piece", PIECES)
def test_every_snippet_stands_in_a_plugin(piece: str) -> None:
    """Line by line, as the guide shows it."""
    sources = (path.read_text("utf-8") for path in sorted(Path("plugins").rglob("*.py")))
    wanted = textwrap.dedent(piece)
    assert any(piece in text or wanted in textwrap.dedent(text) for text in sources), piece
