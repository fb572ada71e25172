"""Completion is made of the parsers, and the shells accept it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from core.build_info import BuildInfo
from server.boot.edition import Edition
from server.cli import COMMANDS, run
from server.cli.reference import words

EDITION = Edition(BuildInfo("test", "0", "3.11", "", ()), list)


@pytest.fixture(params=["bash", "zsh", "fish"])
def made(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """A shell, and its completion."""
    assert run(EDITION, ["completion", request.param]) == 0
    return request.param, capsys.readouterr().out


def test_every_word_is_in_it(made: tuple[str, str]) -> None:
    """All commands, their actions and long options."""
    for command in words():
        for word in [command, *command.inside, *(last for each in command.inside for last in each.inside)]:
            name = word.name.removeprefix("--") if made[0] == "fish" else word.name
            assert name in made[1], word.name


def test_its_shell_accepts_it(made: tuple[str, str]) -> None:
    """The shells that this machine has."""
    shell, text = made
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    assert subprocess.run([shell, "-n"], input=text, text=True, check=False, capture_output=True).stderr == ""


@pytest.mark.parametrize(
    ("line", "offered"),
    [("work", ["worker", "workflow"]), ("workflow st", ["start"]), ("workflow list --sta", ["--status"])],
)
def test_bash_offers_what_fits(line: str, offered: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A real bash, asked as it asks itself."""
    run(EDITION, ["completion", "bash"])
    typed = ["flovyn-server", *line.split()]
    words_typed = " ".join(f"'{each}'" for each in typed)
    asked = (
        f"COMP_WORDS=({words_typed}); COMP_CWORD={len(typed) - 1}; _flovyn_server 2>/dev/null; echo ${{COMPREPLY[@]}}"
    )
    bash = shutil.which("bash") or "bash"
    script = f"{capsys.readouterr().out}\n{asked}"
    done = subprocess.run([bash, "--norc"], input=script, text=True, check=True, capture_output=True)
    assert sorted(done.stdout.split()) == offered


def test_the_commands_are_those_of_the_program() -> None:
    """In their order."""
    assert [each.name for each in words()] == list(COMMANDS)
