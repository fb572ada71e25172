"""The command line of an edition: ``flovyn-server <command>``.

Only the chosen command's module is imported, so that ``version`` answers at once. An expected error
is one message on standard error and exit code 1; wrong usage is exit code 2. Commands that speak to
a running server have more exit codes (``server.cli.remote.failures``).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from server.cli.in_use import keep
from server.cli.parsers import Parser
from server.process.collector import not_collecting

if TYPE_CHECKING:
    from server.boot.edition import Edition

COMMANDS = {
    "serve": "serve until stopped; DATABASE_URL says on which PostgreSQL",
    "dev": "serve on a private PostgreSQL that needs no set-up (dev edition)",
    "migrate": "plan, apply and roll back migrations",
    "schema": "list every object of the database with its owner",
    "tenant": "create and list tenants",
    "token": "create, list, rotate and revoke tokens for workers",
    "workflow": "start, find, follow and steer workflows",
    "bulk": "cancel, signal, retry or delete many workflows by a filter",
    "task": "list tasks, show their attempts and logs",
    "schedule": "list, create, pause and trigger schedules",
    "promise": "list, resolve and reject promises",
    "worker": "list workers",
    "queue": "list queues that have work",
    "audit": "read, verify and export the audit log",
    "config": "check the configuration; print an example of it, or its schema",
    "doctor": "check everything that a server needs, with advice",
    "top": "show the numbers of a running server on the terminal",
    "openapi": "print the OpenAPI document of this edition",
    "completion": "print the completion for bash, zsh or fish",
    "cache": "list and remove unpacked editions",
    "version": "print the version, the plugins and the build",
    "plugins": "print the plugins of this edition",
    "manifest": "print the content of this edition",
    "sbom": "print the software bill of materials (CycloneDX)",
    "licenses": "print the licences of the content of this edition",
    "verify": "compare an edition with its build, to the byte",
}

_FIRST_STEPS = """

to begin:
  flovyn-server dev                  a server with a database of its own (dev edition)
  flovyn-server serve                a server on the database of DATABASE_URL
  flovyn-server workflow --help      commands beside a running server
"""

_NOEXEC = "failed to map segment from shared object"
"""The dynamic linker's text for a library on a file system that is mounted noexec."""


def run(edition: Edition, argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    parser = _parser(edition)
    if sys.stdout is None:  # closed by the parent process
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - stays open for as long as the process lives
    if not all(map(_is_text, argv)):
        parser.error("an argument holds bytes that are not text; use UTF-8")
    if not argv:
        parser.print_help(sys.stderr)
        return 2
    chosen = parser.parse_args(["version"] if list(argv) == ["--version"] else list(argv))
    return _guarded(edition, chosen)


def _parser(edition: Edition) -> argparse.ArgumentParser:
    parser = Parser(
        prog="flovyn-server",
        description=f"Flovyn workflow server {edition.build_info.version}, edition {edition.build_info.edition}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="commands:\n" + "\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items()) + _FIRST_STEPS,
    )
    parser.add_argument("--version", action="store_true", help="print the version, the plugins and the build")
    parser.add_argument("command", choices=COMMANDS, metavar="command", help="one of those below; each has --help")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _command(edition: Edition, chosen: argparse.Namespace) -> int:
    with not_collecting():
        keep()
        module = importlib.import_module(f"server.cli.{chosen.command}")
    parser = Parser(prog=f"flovyn-server {chosen.command}", description=module.__doc__)
    module.add_arguments(parser)
    code: int = module.run(edition, parser.parse_args(chosen.arguments))
    return code


def _guarded(edition: Edition, chosen: argparse.Namespace) -> int:
    """Run a command; what it cannot do, and what cannot be loaded, end in one line."""
    from core.errors import FlovynError

    try:
        code = _command(edition, chosen)
        sys.stdout.flush()
    except FlovynError as error:
        sys.stderr.write(f"error: {error}\n")
        return getattr(error, "exit_code", 1)
    except ImportError as error:
        if _NOEXEC not in str(error):
            raise
        place = f"{sys.prefix} is on a file system that runs no programs (noexec)"
        sys.stderr.write(f"error: {place}; set PEX_ROOT to another folder\n")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has gone, as in "| head"; what is left must not be written at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
