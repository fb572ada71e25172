"""Differences and sizes of editions, and how editions are named on a command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from editions.tools import diff_editions, report_edition
from editions.tools.diff_editions import as_text, differences
from editions.tools.edition_file import EditionFile, NoEdition, _label, find

EMPTY: dict[str, Any] = {"aliases": [], "authenticators": [], "authorizers": [], "migrations": [], "routes": []}
EMPTY |= {"rpcs": [], "sections": [], "variables": []}
PLUGIN: dict[str, Any] = {**EMPTY, "name": "jwt", "version": "1.0.0", "source_sha256": "a" * 64, "objects": []}
WHEEL: dict[str, Any] = {"name": "falcon", "version": "4.0", "sha256": "b" * 64, "license": "MIT", "size": 5}
MANIFEST: dict[str, Any] = {
    "schema": 1,
    "edition": "full",
    "version": "1.0.0",
    "python": "3.11",
    "platform": "any",
    "lock": "c" * 64,
    "lint_rules": "1",
    "server": EMPTY,
    "boot": {**WHEEL, "name": "pex"},
    "plugins": [PLUGIN],
    "wheels": [{**WHEEL, "needed_by": ["server"]}],
    "members": {"server/a.py": "d" * 64, ".deps/falcon.whl/f.py": "e" * 64},
}


def edition(size: int | None = 1, **more: object) -> EditionFile:
    return EditionFile(Path("full.pex"), {**MANIFEST, **more}, size)


def test_nothing_differs() -> None:
    """An edition is equal to itself, whatever its name is."""
    assert differences(edition(), edition(edition="other")) == {}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("build", {"python": "3.12"}),
        ("build", {"lock": "0" * 64}),
        ("plugins", {"plugins": [{**PLUGIN, "version": "2.0.0"}]}),
        ("plugins", {"plugins": [{**PLUGIN, "source_sha256": "0" * 64}]}),
        ("plugins", {"plugins": []}),
        ("wheels", {"wheels": [{**WHEEL, "version": "4.1"}]}),
        ("wheels", {"wheels": [{**WHEEL, "sha256": "0" * 64}]}),
        ("objects", {"plugins": [{**PLUGIN, "objects": [["table", "p_jwt__keys"]]}]}),
        ("migrations", {"plugins": [{**PLUGIN, "migrations": [{"file": "0001_a.sql", "sha256": "0" * 64}]}]}),
        ("migrations", {"server": {**EMPTY, "migrations": [{"file": "0001_a.sql", "sha256": "0" * 64}]}}),
        ("routes", {"plugins": [{**PLUGIN, "routes": ["GET /a"]}]}),
        ("routes", {"plugins": [{**PLUGIN, "aliases": ["GET /a"]}]}),
        ("rpcs", {"server": {**EMPTY, "rpcs": ["/a.B/C"]}}),
        ("settings", {"plugins": [{**PLUGIN, "sections": ["plugins.jwt"]}]}),
        ("settings", {"plugins": [{**PLUGIN, "variables": ["JWT"]}]}),
        ("authentication", {"plugins": [{**PLUGIN, "authenticators": ["jwt"]}]}),
        ("licences", {"wheels": [{**WHEEL, "license": "GPL-3.0-only"}]}),
        ("sources", {"members": {"server/a.py": "0" * 64}}),
    ],
)
def test_each_kind_is_compared(kind: str, more: dict[str, Any]) -> None:
    """A change of one kind is told under its name and under no other."""
    assert list(differences(edition(), edition(**more))) == [kind]


def test_size() -> None:
    """Sizes are compared when both files are at hand."""
    assert differences(edition(1), edition(2)) == {
        "size": {"added": {}, "removed": {}, "changed": {"bytes": ["1", "2"]}}
    }
    assert differences(edition(1), edition(None)) == {}


def test_text() -> None:
    """A reader sees what came, went and changed, and the sizes in MiB."""
    other = edition(3 * 1024 * 1024, plugins=[], wheels=[{**WHEEL, "version": "4.1"}, {**WHEEL, "name": "new"}])
    assert list(as_text(differences(edition(1024 * 1024), other))) == [
        "plugins",
        f"  - jwt  1.0.0 {'a' * 12}",
        "wheels",
        f"  + new  4.0 {'b' * 12}",
        f"  ~ falcon  4.0 {'b' * 12} -> 4.1 {'b' * 12}",
        "licences",
        "  + new  MIT",
        "size",
        "  1.00 -> 3.00 MiB (+2.00)",
    ]


def test_command_tells_by_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 is equal, 1 is different, 2 is that it cannot be told; files are those of the caller's folder."""
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    (tmp_path / "a.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "b.json").write_text(json.dumps({**MANIFEST, "version": "2.0.0"}))
    (tmp_path / "c.json").write_text("[]")
    assert diff_editions.main(["a.json", "a.json"]) == 0
    assert diff_editions.main(["a.json", "b.json"]) == 1
    assert "  ~ version  1.0.0 -> 2.0.0" in capsys.readouterr().out
    assert diff_editions.main(["--json", "a.json", "b.json"]) == 1
    assert json.loads(capsys.readouterr().out)["differences"]["build"]["changed"] == {"version": ["1.0.0", "2.0.0"]}
    assert diff_editions.main(["a.json", "c.json"]) == 2
    assert diff_editions.main(["a.json", "d.json"]) == 2
    assert "d.json is neither a file nor a target" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("full", "//editions:full"),
        ("//editions:full", "//editions:full"),
        ("//tests/editions:out_of_tree", "//tests/editions:out_of_tree"),
        ("//acme", "//acme:acme"),
    ],
)
def test_targets(word: str, label: str) -> None:
    """An edition of the menu is named by its name alone, others by their label."""
    assert _label(word) == label


@pytest.mark.parametrize("word", ["full.pex", "no/such.pex", "@acme//x", ""])
def test_neither_file_nor_target(word: str) -> None:
    """A file that is not there is not taken for a target."""
    with pytest.raises(NoEdition, match="neither a file nor a target"):
        find([word])


def test_report_needs_a_file() -> None:
    """Sizes cannot be told of a manifest without its file."""
    with pytest.raises(NoEdition, match="is a manifest"):
        report_edition.report(edition(None))


def test_report_tells_what_would_leave() -> None:
    """A wheel that one part alone needs is exclusive to it; what others need as well is shared."""
    wheels = [{**WHEEL, "needed_by": ["jwt"]}, {**WHEEL, "name": "cffi", "size": 7, "needed_by": ["jwt", "server"]}]
    assert report_edition._part("jwt", 3, wheels) == {
        "name": "jwt",
        "own": 3,
        "exclusive": 5,
        "shared": 7,
        "exclusive_wheels": ["falcon"],
    }
