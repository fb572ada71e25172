"""Where sources go in an edition, and the size budget."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from editions.tools.layout import LayoutError, place, read_sources
from editions.tools.size_budget import contributors, over_budget


@pytest.mark.parametrize(
    ("short_path", "imports", "expected"),
    [
        ("server/cli/run.py", [], "server/cli/run.py"),
        ("../acme/plugins/x/plugin.py", [], "plugins/x/plugin.py"),
        ("../acme/x/src/acme/plugin.py", ["acme/x/src"], "acme/plugin.py"),
        ("../acme/x/src/acme/plugin.py", ["other/x/src"], "x/src/acme/plugin.py"),
        ("../acme/x/src/deep/a.py", ["acme/x", "acme/x/src"], "deep/a.py"),
    ],
)
def test_place(short_path: str, imports: list[str], expected: str) -> None:
    """A source keeps the path that it is imported by, whichever workspace it comes from."""
    assert place(short_path, imports) == expected


def test_two_files_for_one_place(tmp_path: Path) -> None:
    """Different files for one place are refused; the same file twice is one."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    assert read_sources([f"a.py={one}", f"../acme/a.py={one}"], []) == {"a.py": b"1"}
    with pytest.raises(LayoutError, match=r"\.\./acme/a\.py and a\.py would both be a\.py"):
        read_sources([f"a.py={one}", f"../acme/a.py={two}"], [])


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.pex"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(".deps/big-1.0.whl/big.so", os.urandom(2 * 1024 * 1024))
        archive.writestr("plugins/audit_log/a.py", os.urandom(1024))
        archive.writestr("plugins/audit_log/b.py", os.urandom(1024))
    return path


def test_over_budget_lists_the_largest(large: Path) -> None:
    """An edition over its budget is refused with its parts, largest first."""
    message = over_budget(large, 1)
    assert message is not None
    assert message.index("big-1.0.whl") < message.index("plugins/audit_log")
    assert "max_size_mb" in message


@pytest.mark.parametrize("budget", [0, 3])
def test_within_budget(large: Path, budget: float) -> None:
    """No budget, or one that is kept, says nothing."""
    assert over_budget(large, budget) is None


def test_parts_are_summed(large: Path) -> None:
    """The files of one plugin count together."""
    assert contributors(large)["plugins/audit_log"] == pytest.approx(2048, rel=0.1)
