"""Wrong usage is answered with what is allowed, and with the nearest word."""

from __future__ import annotations

import argparse

import pytest

from core.build_info import BuildInfo
from server.boot.edition import Edition
from server.cli import COMMANDS, run
from server.cli.reference import actions, parser_of

EDITION = Edition(BuildInfo("test", "1.2.3", "3.11", "", ()), list)


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        run(EDITION, arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["workflw", "list"], "there is no command 'workflw'; did you mean 'workflow'?"),
        (["workflow", "lst"], "there is no command 'lst'; did you mean 'list'?"),
        (["audit", "export", "--format", "ndjsn"], "there is no --format 'ndjsn'; did you mean 'ndjson'?"),
        (["completion", "tcsh"], "there is no command 'tcsh'; one of: bash, zsh, fish"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(
    arguments: list[str], nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands, actions and values; where none is near, all are listed."""
    assert nearest in _refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["dev", "--port", "99999"], "argument --port: '99999' is not allowed: an integer from 0 to 65535"),
        (["dev", "--grpc-port", "x"], "an integer from 0 to 65535"),
        (["cache", "prune", "--older-than", "-1"], "a number of days, 0 or more"),
        (["top", "--every", "nan"], "a number of seconds, 0 or more"),
        (["workflow", "list", "--limit", "0"], "an integer from 1 to 1000000"),
        (["workflow", "list", "--status", "DONE"], "'DONE' is not allowed: one or several of PENDING, RUNNING"),
        (["workflow", "list", "--created-from", "soon"], "an age such as 90s, 15m, 2h or 7d"),
        (["workflow", "start", "k", "--input", "text"], "this is not JSON"),
        (["workflow", "start", "k", "--metadata", "team"], "write it as key=value"),
        (["schedule", "create", "n", "--task", "k"], "one of the arguments --cron --at is required"),
    ],
)
def test_a_wrong_value_is_answered_with_what_is_allowed(
    arguments: list[str], allowed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, after the usage."""
    assert allowed in _refused(capsys, *arguments)


def test_no_command_shows_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """It is wrong usage all the same, for scripts."""
    assert run(EDITION, []) == 2
    shown = capsys.readouterr().err
    assert all(f"  {name}" in shown for name in COMMANDS)


def test_the_option_and_the_command_print_the_same_version(capsys: pytest.CaptureFixture[str]) -> None:
    """As people try both."""
    assert run(EDITION, ["--version"]) == run(EDITION, ["version"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert "1.2.3" in first


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    """So does every action; those that speak to a server have an example, too."""
    for name in COMMANDS:
        for path, parser in [(name, parser_of(name)), *((f"{name} {each}", p) for each, (_, p) in _of(name))]:
            with pytest.raises(SystemExit) as ended:
                parser.parse_args(["--help"])
            assert ended.value.code == 0
            text = capsys.readouterr().out
            assert f"usage: flovyn-server {path}" in text
            assert "--server" not in text or "examples:\n  flovyn-server " in text, path


def _of(name: str) -> list[tuple[str, tuple[str, argparse.ArgumentParser]]]:
    return list(actions(parser_of(name)).items())
