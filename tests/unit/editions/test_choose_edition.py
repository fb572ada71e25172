"""Which edition an image holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from editions.tools.choose_edition import CUSTOM, main


@pytest.fixture
def menu(tmp_path: Path) -> Path:
    file = tmp_path / "editions.json"
    file.write_text(json.dumps({"editions": {"minimal": {"plugins": []}, "full": {"plugins": ["//plugins/jwt"]}}}))
    return file


def choose(menu: Path, edition: str, plugins: str) -> int:
    return main(["--menu", str(menu), "--edition", edition, "--plugins", plugins])


def editions(menu: Path) -> dict[str, Any]:
    return dict(json.loads(menu.read_text())["editions"])


def test_an_edition_of_the_menu(menu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a free choice the edition is the one that was asked for, and the menu stays."""
    before = editions(menu)
    assert choose(menu, "minimal", "none") == 0
    assert capsys.readouterr().out == "minimal\n"
    assert editions(menu) == before


def test_a_free_choice(menu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A list of labels becomes an edition with exactly these plugins."""
    assert choose(menu, "full", "//plugins/jwt, @acme//widgets") == 0
    assert capsys.readouterr().out == f"{CUSTOM}\n"
    assert editions(menu)[CUSTOM]["plugins"] == ["//plugins/jwt", "@acme//widgets"]


def test_a_broken_menu_is_told_with_its_place(menu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A comma too many stops the image with the file, the line and the column, and not with a traceback."""
    menu.write_text('{\n  "editions": {"full": {},}\n}\n')
    assert choose(menu, "full", "none") == 1
    assert capsys.readouterr().err.startswith(f"{menu}:2:")


@pytest.mark.parametrize(
    ("edition", "plugins", "message"),
    [
        ("huge", "none", "EDITION is 'huge', but editions/editions.json has full, minimal"),
        ("full", "jwt", "'jwt' is no label; write //plugins/jwt"),
        ("full", "", "PLUGINS is '', and it is empty"),
    ],
)
def test_editions_that_cannot_be_built(
    menu: Path, capsys: pytest.CaptureFixture[str], edition: str, plugins: str, message: str
) -> None:
    """A choice that cannot be built stops the image with one line that says what to write."""
    assert choose(menu, edition, plugins) == 1
    assert message in capsys.readouterr().err
