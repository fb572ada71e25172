"""Prints what a CI system has to build and start: editions by platforms by Pythons, as ``editions/editions.json`` says.

./bazelw run //editions:matrix -- --format github

An entry's ``platforms`` and ``pythons`` win over those of the top-level ``matrix``. One of them without the other means
all that there are; without either, there is one cell, for the machine that asks.
"""

from __future__ import annotations

import argparse
import ast
import json
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from editions.tools import menu_file, workspace

SCHEMA = 1
KNOWN = Path("editions/toolchain/platforms.bzl")
"""Where the build's own lists of platforms and Pythons stand, as constants that Python reads as well."""
RUNNERS = {"linux-x86_64": "ubuntu-24.04", "linux-aarch64": "ubuntu-24.04-arm", "macos-arm64": "macos-15"}
"""GitHub's machines on which a platform's editions start, and the only ones that workflows name; each builds for all.

GitHub withdraws a machine about three years after the year of its system: macos-14 is gone, macos-15 goes next. It has
none with musl: cells of such platforms ask for a machine of one's own.
"""
_ALIASES = {"darwin": "macos", "amd64": "x86_64"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One file to build.

    Attributes:
        edition: its name.
        platform: such as ``linux-x86_64``.
        python: such as ``3.12``.
        target: what to build.
        file: where it is then.
        runner: the kind of machine that starts it.
    """

    edition: str
    platform: str
    python: str
    target: str
    file: str
    runner: str


def host() -> tuple[str, str]:
    """Return platform and Python of this machine's build."""
    words = (platform.system().lower(), platform.machine().lower())
    system, machine = (_ALIASES.get(word, word) for word in words)
    return f"{system}-{machine}", f"{sys.version_info[0]}.{sys.version_info[1]}"


def known(root: Path) -> tuple[list[str], list[str]]:
    """Return all platforms and all Pythons that the repository at ``root`` can build for."""
    module = ast.parse((root / KNOWN).read_text("utf-8"))
    constants = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in module.body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
    return constants["PLATFORMS"], constants["PYTHONS"]


def cells(
    menu: Mapping[str, Any], here: tuple[str, str], all_platforms: Sequence[str], all_pythons: Sequence[str]
) -> Iterator[Cell]:
    """Yield every cell, in the order of the menu; ``here`` is the platform and the Python of this machine."""
    for name, entry in menu["editions"].items():
        chosen = {**menu.get("matrix", {}), **entry}
        platforms, pythons = chosen.get("platforms"), chosen.get("pythons")
        if not platforms and not pythons:
            yield _cell(name, name, *here)
            continue
        for on in platforms or all_platforms:
            for python in pythons or all_pythons:
                yield _cell(name, f"{name}-{on}-py{python}", on, python)


def _cell(edition: str, target: str, on: str, python: str) -> Cell:
    file = f"bazel-bin/editions/{target}.pex"
    return Cell(edition, on, python, f"//editions:{target}", file, RUNNERS.get(on, "self-hosted"))


def repositorys(root: Path) -> list[Cell]:
    """Return the cells of the repository at ``root``."""
    return list(cells(menu_file.read(root), host(), *known(root)))


def shown(found: list[Cell], form: str) -> str:
    """Return the cells as a document, or on one line as GitHub's ``strategy.matrix`` takes them."""
    listed = [asdict(cell) for cell in found]
    if form == "github":
        return json.dumps({"include": listed}, separators=(",", ":"))
    return json.dumps({"schema": SCHEMA, "cells": listed}, indent=2)


def main(arguments: list[str]) -> int:
    """Run from ``bazel run //editions:matrix``."""
    parser = argparse.ArgumentParser(
        prog="./bazelw run //editions:matrix --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--format", choices=("json", "github"), default="json")
    parser.add_argument("--edition", action="append", help="only this one; may be repeated")
    options = parser.parse_args(arguments)
    menu = menu_file.read(workspace.root())
    unknown = sorted(set(options.edition or ()) - set(menu["editions"]))
    if unknown:
        return workspace.told(ValueError(f"no edition {unknown[0]!r}; there are {', '.join(menu['editions'])}"))
    found = [cell for cell in repositorys(workspace.root()) if not options.edition or cell.edition in options.edition]
    print(shown(found, options.format))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
