"""A release moves version, changelog and tag together, or nothing at all."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from editions.tools.release import CHART, ReleaseRefused, main, order, released

CHANGELOG = """\
# Changelog

## [Unreleased]

### Added

- Something new.

## [1.0.0] - 2026-01-01

- The first.
"""


def git(root: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of version 1.1.0 with something unreleased."""
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    (tmp_path / "VERSION").write_text("1.1.0\n")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    (tmp_path / CHART).parent.mkdir(parents=True)
    (tmp_path / CHART).write_text('version: 1.0.0\nappVersion: "1.1.0"\n')
    git(tmp_path, "init", "-q")
    git(tmp_path, "config", "user.name", "Tester")
    git(tmp_path, "config", "user.email", "tester@example.com")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def refused(repository: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Why nothing was released; that nothing was changed is a part of it."""
    before = git(repository, "rev-parse", "HEAD"), git(repository, "status", "--porcelain"), git(repository, "tag")
    assert main(list(arguments)) == 1
    after = git(repository, "rev-parse", "HEAD"), git(repository, "status", "--porcelain"), git(repository, "tag")
    assert before == after
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


def test_everything_moves_together(repository: Path) -> None:
    """The file, the dated section above an empty one, one commit, and an annotated tag that says what is new."""
    assert main(["1.2.0", "--date", "2026-03-04"]) == 0
    assert (repository / "VERSION").read_text() == "1.2.0\n"
    assert (repository / CHART).read_text() == 'version: 1.0.0\nappVersion: "1.2.0"\n'
    expected = CHANGELOG.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [1.2.0] - 2026-03-04\n")
    assert (repository / "CHANGELOG.md").read_text() == expected
    assert git(repository, "log", "--format=%s") == "Release 1.2.0\nfirst\n"
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "cat-file", "-t", "v1.2.0") == "tag\n"
    assert git(repository, "rev-parse", "v1.2.0^{commit}") == git(repository, "rev-parse", "HEAD")
    assert (
        git(repository, "tag", "--list", "--format=%(contents)").strip()
        == "Release 1.2.0\n\n### Added\n\n- Something new."
    )


def test_a_dry_run_changes_nothing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what would be."""
    assert main(["1.2.0", "--dry-run"]) == 0
    assert "- Something new." in capsys.readouterr().out
    assert git(repository, "status", "--porcelain") == git(repository, "tag") == ""


@pytest.mark.parametrize(
    ("version", "reason"),
    [("1.2", "is no version"), ("v1.2.0", "is no version"), ("1.1.0", "not greater"), ("1.1.0-rc.1", "not greater")],
)
def test_versions_that_are_refused(
    repository: Path, capsys: pytest.CaptureFixture[str], version: str, reason: str
) -> None:
    """Those that are none, and those that lead nowhere."""
    assert reason in refused(repository, capsys, version)


def test_a_tag_that_exists_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tags do not move."""
    git(repository, "tag", "v1.2.0")
    assert "there is a tag v1.2.0 already" in refused(repository, capsys, "1.2.0")


def test_uncommitted_changes_are_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also a file that git does not know: it might have been meant to be in."""
    (repository / "new.txt").write_text("x")
    assert "new.txt" in refused(repository, capsys, "1.2.0")


def test_nothing_to_tell_is_refused(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Headings alone are nothing."""
    (repository / "CHANGELOG.md").write_text(CHANGELOG.replace("- Something new.\n", ""))
    git(repository, "commit", "-qam", "emptied")
    assert "says nothing below" in refused(repository, capsys, "1.2.0")


def test_a_commit_that_git_refuses_leaves_nothing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hook that says no: version and changelog are as they were."""
    hook = repository / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    assert "not today" in refused(repository, capsys, "1.2.0")
    assert (repository / "VERSION").read_text() == "1.1.0\n"


def test_versions_are_ordered_as_the_rules_say() -> None:
    """The example of Semantic Versioning 2.0, and numbers as numbers."""
    rising = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.9.0"
    versions = [*rising.split(), "1.10.0"]
    assert sorted(sorted(versions), key=order) == versions
    assert order("1.0.0+one") == order("1.0.0+two")


def test_the_first_release_has_nothing_below() -> None:
    """A changelog that only has an unreleased section."""
    changelog, said = released("# Changelog\n\n## [Unreleased]\n\n- New.\n", "0.1.0", "2026-01-01")
    assert changelog == "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n\n- New.\n"
    assert said == "- New."
    with pytest.raises(ReleaseRefused, match="no section"):
        released("# Changelog\n", "0.1.0", "2026-01-01")


def test_the_repositorys_own_changelog_can_be_released() -> None:
    """It has the section, in the form that the program reads."""
    assert released(Path("CHANGELOG.md").read_text("utf-8"), "9.0.0", "2026-01-01")[1]
