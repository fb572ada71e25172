"""Programs of ``bazel run`` call themselves as their users call them."""

from __future__ import annotations

import importlib

import pytest

PROGRAMS = {
    "check": "//:check",
    "compose": "//editions:compose",
    "diff_editions": "//editions:diff",
    "interpreters": "//editions:interpreters",
    "lock_plugin": "@flovyn_server//editions:lock",
    "make_venv": "//:venv",
    "matrix": "//editions:matrix",
    "new_plugin": "//plugins:new",
    "release": "//:release",
    "report_edition": "//editions:report",
    "suggest": "//editions:suggest",
    "update_lock": "//editions:update-lock",
}


@pytest.mark.parametrize(("module", "label"), PROGRAMS.items())
def test_a_wrong_option_is_answered_with_the_command(
    module: str, label: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage and error begin with the command to type, not with a module of Python's."""
    with pytest.raises(SystemExit):
        importlib.import_module(f"editions.tools.{module}").main(["--no-such-option"])
    error = capsys.readouterr().err
    assert error.startswith(f"usage: ./bazelw run {label} --")
    assert f"\n./bazelw run {label} --: error: " in error
