"""Check the configuration; print an example of it, its schema, or all limits. Needs no database."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Mapping

from core.errors import ConfigError
from core.settings import ConfigSection
from server.boot.edition import Edition
from server.boot.preparation import configure, make_plugins
from server.config.load import FILE_VARIABLE, read_sources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    text = "read the file and the environment as serve does, and report every problem"
    check = actions.add_parser("check", help=text, description=text)
    check.add_argument("file", nargs="?", help=f"the file (default: the one that {FILE_VARIABLE} names)")
    for name, text in (
        ("example", "print a file with every key of this edition, its default and what it means"),
        ("schema", "print the JSON schema of the file, the tables of this edition's plugins included"),
        ("limits", "print all limits of the server as tables, with the values of the configuration in force"),
    ):
        actions.add_parser(name, help=text, description=text)


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Run the chosen action; an error of a plugin is printed in one line."""
    last_resort = logging.lastResort
    if last_resort is not None:
        last_resort.addFilter(_without_traceback)
    {"check": _check, "example": _example, "schema": _schema, "limits": _limits}[arguments.action](edition, arguments)
    return 0


def _without_traceback(record: logging.LogRecord) -> bool:
    return not record.exc_info


def _check(edition: Edition, arguments: argparse.Namespace) -> None:
    environ = dict(os.environ)
    if arguments.file is not None:
        if not arguments.file:
            raise ConfigError("the name of the configuration file is empty")
        environ[FILE_VARIABLE] = arguments.file
    from server.boot.startup import check

    prepared = configure(edition, read_sources(environ))
    asyncio.run(check(prepared))
    file = environ.get(FILE_VARIABLE)
    place = f"{file} and the environment" if file else "the environment"
    sys.stdout.write(f"ok: {place} configure edition {edition.build_info.edition}\n")


def _example(edition: Edition, _arguments: argparse.Namespace) -> None:
    from server.config.example import example

    sys.stdout.write(example(_title(edition), _sections(edition)))


def _schema(edition: Edition, _arguments: argparse.Namespace) -> None:
    from server.config.describe import json_schema

    sys.stdout.write(json.dumps(json_schema(_title(edition), _sections(edition)), indent=2) + "\n")


def _limits(edition: Edition, _arguments: argparse.Namespace) -> None:
    from server.config.describe import limit_tables

    sys.stdout.write(limit_tables(configure(edition, read_sources(dict(os.environ))).settings.limits))


def _title(edition: Edition) -> str:
    info = edition.build_info
    return f"flovyn-server {info.version}, edition {info.edition}"


def _sections(edition: Edition) -> Mapping[str, ConfigSection]:
    return make_plugins(edition).sections()
