"""All commands, their actions and options, read from the parsers: for completion, and for ``docs/commands.md``."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from server.cli import COMMANDS
from server.cli.parsers import Parser
from server.cli.remote.commands import RestCommand
from server.cli.remote.failures import EXIT_CODES


@dataclass(slots=True)
class Word:
    """A word of a command line: a command, an action or an option, with what may follow it."""

    name: str
    text: str
    inside: list[Word] = field(default_factory=list)


def parser_of(command: str) -> argparse.ArgumentParser:
    """Return the parser of a command."""
    module = importlib.import_module(f"server.cli.{command}")
    parser = Parser(prog=f"flovyn-server {command}", description=module.__doc__)
    module.add_arguments(parser)
    return parser


def words() -> list[Word]:
    """Return all commands."""
    return [Word(name, text, _inside(parser_of(name))) for name, text in COMMANDS.items()]


def actions(parser: argparse.ArgumentParser) -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Return the actions of a parser by name, each with its text and its parser."""
    for each in parser._actions:  # noqa: SLF001 - argparse has no public way to list them
        if isinstance(each, argparse._SubParsersAction):  # noqa: SLF001
            texts = {choice.dest: choice.help or "" for choice in each._choices_actions}  # noqa: SLF001
            return {name: (texts.get(name, ""), inner) for name, inner in each.choices.items()}
    return {}


def _inside(parser: argparse.ArgumentParser) -> list[Word]:
    found = [Word(name, text, _inside(inner)) for name, (text, inner) in actions(parser).items()]
    for each in parser._actions:  # noqa: SLF001
        if each.help is not argparse.SUPPRESS:
            found += [Word(name, _help(each, parser)) for name in each.option_strings if name.startswith("--")]
    return found


def _help(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    return parser._get_formatter()._expand_help(action) if action.help else ""  # noqa: SLF001


def markdown() -> str:
    """Return the tables of the document: the commands over REST, and their exit codes."""
    return "\n".join([*_commands(), "", "## Exit codes", "", *_exit_codes()]) + "\n"


def _commands() -> Iterator[str]:
    yield "| command | what it does | example |"
    yield "|---|---|---|"
    for group in COMMANDS:
        module = importlib.import_module(f"server.cli.{group}")
        for command in getattr(module, "COMMANDS", ()):
            if isinstance(command, RestCommand):
                example = command.examples[0].replace("|", "\\|") if command.examples else ""
                yield f"| `{group} {command.name}` | {command.text} | `{example}` |"


def _exit_codes() -> Iterator[str]:
    yield "| code | meaning |"
    yield "|---|---|"
    for code, meaning in EXIT_CODES.items():
        yield f"| {code} | {meaning} |"
