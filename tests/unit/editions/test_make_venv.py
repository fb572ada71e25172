"""Files that ``//:venv`` copies beside the wheels."""

from __future__ import annotations

from pathlib import Path

import pytest

from editions.tools.make_venv import copy_npm


def test_npm_files_come_to_the_sites_of_plugins_and_to_the_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of an earlier version is replaced, also where it may not be written to."""
    runfiles, root = tmp_path / "runfiles", tmp_path / "root"
    vendored, of_tests = Path("plugins/console/site/vendor/htm.js"), Path("npm_axe_core/files/axe.min.js")
    for file in (runfiles / "main" / vendored, runfiles / of_tests, root / vendored):
        file.parent.mkdir(parents=True)
        file.write_text(f"in {file.relative_to(tmp_path).parts[0]}", "utf-8")
    (root / vendored).chmod(0o444)
    monkeypatch.chdir(runfiles / "main")
    copy_npm(runfiles, root)
    assert (root / vendored).read_text("utf-8") == "in runfiles"
    assert (root / ".venv/npm/axe.min.js").read_text("utf-8") == "in runfiles"
