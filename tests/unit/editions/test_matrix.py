"""The matrix for a CI system: editions by platforms by Pythons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from editions.tools import menu_file
from editions.tools.matrix import RUNNERS, Cell, cells, host, known, main

HERE = ("linux-x86_64", "3.11")
ALL = (["linux-x86_64", "macos-arm64"], ["3.11", "3.12"])


def menu(editions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"schema": 1, "default": "a", "editions": editions, **more}


def test_without_keys_a_cell_is_for_this_machine() -> None:
    """One cell per edition, of the target that everybody builds."""
    file = "bazel-bin/editions/a.pex"
    assert list(cells(menu({"a": {}}), HERE, *ALL)) == [Cell("a", *HERE, "//editions:a", file, "ubuntu-24.04")]


def test_an_entrys_keys_multiply() -> None:
    """Each platform with each Python, and each cell's own target and runner."""
    found = list(
        cells(menu({"a": {"platforms": ["linux-aarch64", "macos-arm64"], "pythons": ["3.12", "3.13"]}}), HERE, *ALL)
    )
    assert [(cell.target, cell.runner) for cell in found] == [
        ("//editions:a-linux-aarch64-py3.12", "ubuntu-24.04-arm"),
        ("//editions:a-linux-aarch64-py3.13", "ubuntu-24.04-arm"),
        ("//editions:a-macos-arm64-py3.12", "macos-15"),
        ("//editions:a-macos-arm64-py3.13", "macos-15"),
    ]
    assert found[0].file == "bazel-bin/editions/a-linux-aarch64-py3.12.pex"


def test_the_menus_defaults_are_for_all_and_an_entry_wins() -> None:
    """An entry's missing list is the menu's; a list that both leave out beside the other one is the whole list."""
    common = {"platforms": ["linux-x86_64"], "pythons": ["3.13", "3.14"]}
    found = list(cells(menu({"a": {}, "b": {"pythons": ["3.11"]}}, matrix=common), HERE, *ALL))
    assert [(cell.edition, cell.platform, cell.python) for cell in found] == [
        ("a", "linux-x86_64", "3.13"),
        ("a", "linux-x86_64", "3.14"),
        ("b", "linux-x86_64", "3.11"),
    ]
    found = list(cells(menu({"a": {"platforms": ["macos-arm64"]}, "b": {"pythons": ["3.12"]}}), HERE, *ALL))
    assert [cell.target for cell in found] == [
        "//editions:a-macos-arm64-py3.11",
        "//editions:a-macos-arm64-py3.12",
        "//editions:b-linux-x86_64-py3.12",
        "//editions:b-macos-arm64-py3.12",
    ]


def test_the_repositorys_own_matrix(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every edition is in it; GitHub's form is one line that holds the same cells; one edition can be asked for."""
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(Path.cwd()))
    assert main([]) == 0
    listed = json.loads(capsys.readouterr().out)["cells"]
    assert {cell["edition"] for cell in listed} == set(menu_file.read(Path.cwd())["editions"])
    assert main(["--format", "github"]) == 0
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line) == {"include": listed}
    assert main(["--edition", "full"]) == 0
    assert {cell["edition"] for cell in json.loads(capsys.readouterr().out)["cells"]} == {"full"}
    assert main(["--edition", "absent"]) == 1
    assert "no edition 'absent'" in capsys.readouterr().err


def test_every_platform_has_a_runner() -> None:
    """The build's own list of platforms is read, and each of them but those with musl has a machine to start on."""
    platforms, pythons = known(Path.cwd())
    assert {each for each in platforms if "-musl-" not in each} == set(RUNNERS)
    assert "3.12" in pythons


def test_this_machine_has_a_platform() -> None:
    """Written as wheels' platforms are, system first."""
    on, python = host()
    assert on.split("-")[0] in {"linux", "macos"}
    assert python.startswith("3.")
