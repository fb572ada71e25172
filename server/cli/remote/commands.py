"""RestCommand and Option: the table of commands over REST, of which parsers, help, completion and docs are made."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.boot.edition import Edition
from server.cli.remote import servers
from server.cli.remote.client import Client
from server.cli.remote.output import Output

if TYPE_CHECKING:
    Actions = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it


@dataclass(frozen=True, slots=True)
class CommandCall:
    """One call of a command: its edition and arguments, the server to speak to, and the place for what it finds."""

    edition: Edition
    arguments: argparse.Namespace
    client: Client
    output: Output


@dataclass(frozen=True, slots=True)
class Option:
    """An option or an argument, as argparse takes it; of the options of one ``group``, exactly one must be given."""

    flags: tuple[str, ...]
    settings: Mapping[str, Any]
    group: str | None = None


@dataclass(frozen=True, slots=True)
class RestCommand:
    """A command of a group.

    Attributes:
        name: its word, after that of the group.
        text: one line that says what it does.
        do: carries it out and returns the exit code.
        options: its options and arguments.
        examples: lines to try, without the name of the program.
    """

    name: str
    text: str
    do: Callable[[CommandCall], int]
    options: Sequence[Option] = ()
    examples: Sequence[str] = ()


def option(*flags: str, group: str | None = None, **settings: Any) -> Option:
    """Return an option; the settings are those of ``add_argument``."""
    return Option(flags, settings, group)


LIMIT_HELP = "rows at most (default: %(default)s)"


def ident(thing: str) -> Option:
    """Return the argument that names one thing."""
    return option("id", metavar="ID", help=f"id of the {thing}")


def declare(parser: argparse.ArgumentParser, commands: Sequence[RestCommand]) -> Actions:
    """Declare the commands of a group; return the place to which further ones can be added."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    for command in commands:
        examples = "".join(f"  flovyn-server {line}\n" for line in command.examples)
        action = actions.add_parser(
            command.name,
            help=command.text,
            description=command.text[0].upper() + command.text[1:] + ".",
            epilog=f"examples:\n{examples}" if examples else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_options(action, command.options)
        action.add_argument("--json", action="store_true", help="print JSON, one object a line; so does a pipe")
        servers.add_arguments(action)
        action.set_defaults(command=command)
    return actions


def _add_options(parser: argparse.ArgumentParser, options: Sequence[Option]) -> None:
    groups: dict[str, Any] = {}
    for each in options:
        place: Any = parser
        if each.group is not None:
            place = groups.get(each.group) or parser.add_mutually_exclusive_group(required=True)
            groups[each.group] = place
        place.add_argument(*each.flags, **each.settings)


def carry_out(edition: Edition, arguments: argparse.Namespace) -> int:
    """Carry out the command that was chosen.

    Raises:
        CommandFailed: it has failed; the error has the exit code.
    """
    output = Output(as_json=arguments.json)
    command: RestCommand = arguments.command
    return command.do(CommandCall(edition, arguments, Client(servers.place_of(arguments)), output))
