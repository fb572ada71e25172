"""The command for authors: formats, exit codes, the order of files, pages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrations.lint.__main__ import FOUND, OK, USAGE, main

BAD = "CREATE TABLE p_audit__a (id int);\nDROP TABLE\ttimer;\n"


def write(folder: Path, **files: str) -> list[str]:
    """Write files and return their paths, the last first."""
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)
    return [str(folder / f"{name}.sql") for name in reversed(files)]


def test_text_shows_the_line_with_a_caret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person sees place, rule, source line, caret and hint."""
    (path,) = write(tmp_path, a=BAD)
    assert main(["--plugin", "audit", path]) == FOUND
    shown = capsys.readouterr()
    head, source, caret, hint = shown.out.splitlines()
    assert head.startswith(f"{path}:2:12 M012 error DROP TABLE")
    assert source == "    DROP TABLE timer;"
    assert caret == "    " + " " * 11 + "^"
    assert hint.startswith("    hint: Drop own objects only")
    assert shown.err == "1 files, 2 statements: 1 errors, 0 warnings\n"


def test_json_holds_every_field(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program gets a list of findings with their file."""
    (path,) = write(tmp_path, a=BAD)
    assert main(["--plugin", "audit", "--format", "json", path]) == FOUND
    (finding,) = json.loads(capsys.readouterr().out)
    assert finding.keys() == {"file", "line", "column", "rule", "severity", "message", "hint"}
    assert (finding["file"], finding["line"], finding["rule"]) == (path, 2, "M012")


def test_github_gets_annotations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pull request shows the finding at its line, and the message stays one line."""
    (path,) = write(tmp_path, a=BAD)
    assert main(["--plugin", "audit", "--format", "github", path]) == FOUND
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"::error file={path},line=2,col=12,title=M012::DROP TABLE")
    assert "%0Ahint: " in line


def test_files_are_checked_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Each file sees what those before it made, however they are given."""
    paths = write(tmp_path, a="CREATE VIEW p_audit__v AS SELECT id FROM tenant;", b="DELETE FROM p_audit__v;")
    assert main(["--plugin", "audit", *paths]) == FOUND
    assert main(["--plugin", "audit", paths[0]]) == OK


def test_warnings_do_not_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings are shown and let pass."""
    (path,) = write(tmp_path, a="CREATE VIEW p_audit__v AS SELECT id FROM tenant;")
    assert main(["--plugin", "audit", path]) == OK
    assert "W3 warning" in capsys.readouterr().out


def test_core_migrations_have_their_own_rules(tmp_path: Path) -> None:
    """--core applies the looser rules."""
    (path,) = write(tmp_path, a="CREATE TABLE thing (id int);")
    assert main(["--core", path]) == OK
    assert main(["--plugin", "audit", path]) == FOUND


def test_files_that_are_no_text_are_findings(tmp_path: Path) -> None:
    """A file in another encoding is a finding, not a crash."""
    path = tmp_path / "a.sql"
    path.write_bytes(b"CREATE TABLE \xff")
    assert main(["--plugin", "audit", str(path)]) == FOUND


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--plugin", "audit"],
        ["a.sql"],
        ["--plugin", "Audit", "a.sql"],
        ["--plugin", "a", "/nowhere.sql"],
        ["--explain", "M999"],
        ["--plugin", "a", "--core", "a.sql"],
    ],
)
def test_wrong_usage_exits_with_two(arguments: list[str]) -> None:
    """Mistakes on the command line are told apart from findings."""
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == USAGE


def test_explain_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """The page that the documentation has is at hand in the terminal."""
    assert main(["--explain", "m020"]) == OK
    page = capsys.readouterr().out
    assert page.startswith("## M020: ")
    assert page in Path("docs/migrations.md").read_text()


def test_colour_only_for_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and pipes get plain text; NO_COLOR is respected."""
    (path,) = write(tmp_path, a=BAD)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    main(["--plugin", "audit", path])
    assert "\x1b[31m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    main(["--plugin", "audit", path])
    assert "\x1b" not in capsys.readouterr().out
