"""``docs/limits.md`` says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import limits
from core.build_info import BuildInfo
from server.boot.edition import Edition
from server.cli import run
from server.config.describe import limit_tables
from server.config.limits import Limits


def test_the_document_holds_the_tables_of_the_code() -> None:
    """With the defaults; ``config limits`` prints them."""
    assert limit_tables(Limits()) in Path("docs/limits.md").read_text("utf-8")


def test_every_limit_of_the_code_has_a_row() -> None:
    """Two limits may have one value; none may lack its row."""
    values = [value for name, value in vars(limits).items() if name.startswith("MAX_") and name != "MAX_DETAILS_BYTES"]
    assert sorted(set(values)) == sorted({each.value for each in limits.LIMITS})


def test_the_command_prints_the_limits_in_force(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of the configuration, not the defaults."""
    monkeypatch.setenv("DATABASE_URL", "postgres://nowhere")
    monkeypatch.setenv("LIMITS__COMMANDS", "7")
    assert run(Edition(BuildInfo("t", "0", "3.11", "", ()), list), ["config", "limits"]) == 0
    assert capsys.readouterr().out == limit_tables(Limits(commands=7))
