"""Check everything that a server needs, and print the results with advice; exit code 1 when a check fails.

It changes nothing and may run beside a server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict

from core.errors import FlovynError
from server.boot.edition import Edition
from server.boot.preparation import configure, impatient
from server.cli import machine_checks as machine
from server.cli.database_checks import database
from server.cli.finding import Diagnosis, Result, fail
from server.config.load import read_sources

SCHEMA = 1
"""Version of the JSON form."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Print one line per check."""
    with machine.warnings() as said:
        found = [machine.python(edition), *machine.disk(), *_configured(edition, said)]
    failed = any(each.result is Result.FAIL for each in found)
    if arguments.json:
        report = {"schema": SCHEMA, "ok": not failed, "checks": [asdict(each) for each in found]}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        sys.stdout.write("".join(map(_line, found)))
    return 1 if failed else 0


def _configured(edition: Edition, said: list[str]) -> Iterator[Diagnosis]:
    """Yield the checks that need valid settings."""
    from server.boot.startup import check

    try:
        prepared = configure(edition, read_sources(os.environ))
        of_reading = list(said)
        asyncio.run(check(prepared))
    except FlovynError as error:
        problems = [line.strip() for line in str(error).splitlines() if line.startswith("  ")] or [str(error)]
        advice = "mend this and look again: ports, limits and database depend on it"
        yield from (fail("settings", problem, advice) for problem in problems)
        return
    yield from machine.settings(prepared, of_reading)
    yield from machine.ports(prepared)
    yield machine.limits(prepared)
    yield from asyncio.run(database(edition, impatient(prepared)))


def _line(finding: Diagnosis) -> str:
    advice = f"; {finding.advice}" if finding.advice else ""
    return f"{finding.result:<4}  {finding.check:<11}  {finding.text}{advice}\n"
