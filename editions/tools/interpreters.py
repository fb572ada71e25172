"""Pins and fetches the interpreters that editions carry.

./bazelw run //editions:interpreters                       what is pinned, and which archives are here
./bazelw run //editions:interpreters -- pin                pins the newest that the locked pbs-installer lists
./bazelw run //editions:interpreters -- fetch [CELL…]      brings pinned archives into FLOVYN_INTERPRETERS, a folder

A CELL is a platform and a Python as targets name them, such as ``linux-x86_64-py3.12``; without any, all are meant.
Archives come from where the list says, or from ``PBS_INSTALLER_BASE_URL``, a mirror; whatever does not have the pinned
digest is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from http.client import HTTPException
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from editions.toolchain.interpreter import FOLDER, InterpreterError, named, pin_of, read_pins, sha256_of
from editions.tools import workspace
from editions.tools.matrix import known

LOCK = Path("editions/toolchain/interpreters.sha256")
MIRROR = "PBS_INSTALLER_BASE_URL"
"""The variable that names a mirror, as pbs-installer has it."""
FETCH_TIMEOUT_S = 60.0
"""For a connection, and for each part of what comes over it."""

_PART = 1 << 20
_ORDER = re.compile(r"cpython-\d+\.\d+\.(?P<patch>\d+)\+(?P<release>\d+)-.*?(?P<stripped>_stripped)?\.tar\.gz")

Cell = tuple[str, str]
"""Platform and Python."""


class Listed:
    """The archives that pbs-installer lists: the digests and addresses that their project published."""

    def __init__(self, versions: Iterable[Mapping[str, Any]]) -> None:
        files = [file for version in versions for file in version["files"] if file["sha256"]]
        self.sha256: dict[str, str] = {file["filename"]: file["sha256"] for file in files}
        self._url: dict[str, str] = {file["filename"]: file["url"] for file in files}

    def newest(self, cell: Cell) -> str | None:
        """Return the newest patch version's newest build, without debugging symbols where there is one."""
        fitting = filter(named(*cell).fullmatch, self.sha256)
        return max(fitting, key=_age, default=None)

    def url(self, name: str, mirror: str | None) -> str:
        """Return an archive's address.

        Raises:
            InterpreterError: it is not listed, and there is no mirror that may have it.
        """
        if mirror:
            return f"{mirror.rstrip('/')}/{quote(name)}"
        if name not in self._url:
            raise InterpreterError(f"{name} is not listed by the locked pbs-installer; put it into {FOLDER} yourself")
        return self._url[name]


def listed() -> Listed:
    """Return the list of the locked pbs-installer."""
    text = resources.files("pbs_installer").joinpath("versions.json").read_text("utf-8")
    return Listed(json.loads(text))


def _age(name: str) -> tuple[int, int, bool]:
    match = _ORDER.fullmatch(name)
    assert match is not None
    return int(match["patch"]), int(match["release"]), bool(match["stripped"])


def pin(lock: Path, cells: Iterable[Cell], source: Listed) -> list[str]:
    """Pin the newest archive of every cell, keep the comments of the lock, and return a line for each that changed.

    Raises:
        InterpreterError: the lock cannot be read, or a cell has no archive.
    """
    old = read_pins(lock)
    new: dict[str, str] = {}
    for cell in cells:
        name = source.newest(cell)
        if name is None:
            raise InterpreterError(f"pbs-installer lists no interpreter for {label(cell)}; {lock.name} is as it was")
        new[name] = source.sha256[name]
    comments = [line for line in lock.read_text("utf-8").splitlines() if line.startswith("#")]
    lines = [*comments, *(f"{new[name]}  {name}" for name in sorted(new))]
    lock.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    gone, come = old.items() - new.items(), new.items() - old.items()
    return [*(f"removed {name}" for name, _ in sorted(gone)), *(f"pinned {name}" for name, _ in sorted(come))]


def fetch(name: str, sha256: str, url: str, folder: Path) -> None:
    """Bring one archive into the folder, whole and right or not at all.

    Raises:
        InterpreterError: it cannot be had, or is not the pinned one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new.") as scratch:
        new = Path(scratch, name)
        try:
            with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_S) as answer, new.open("wb") as file:  # noqa: S310
                shutil.copyfileobj(answer, file, _PART)
        except (OSError, ValueError, HTTPException) as error:
            raise InterpreterError(
                f"{url} cannot be fetched: {error}; try again, or name a mirror in {MIRROR}"
            ) from None
        found = sha256_of(new)
        if found != sha256:
            raise InterpreterError(f"{url} is not what is pinned: expected sha256 {sha256}, found {found}")
        new.replace(folder / name)


def all_cells(root: Path) -> list[Cell]:
    """Return every pair of a platform and a Python that the repository at ``root`` can build for."""
    platforms, pythons = known(root)
    # pbs-installer lists no archive with musl
    listed = [platform for platform in platforms if not platform.startswith("linux-musl-")]
    return [(platform, python) for platform in listed for python in pythons]


def label(cell: Cell) -> str:
    """Return a cell as targets name it."""
    return f"{cell[0]}-py{cell[1]}"


def chosen(names: Iterable[str], cells: Iterable[Cell]) -> list[Cell]:
    """Return the cells of those names; all when there is none.

    Raises:
        InterpreterError: there is no such cell.
    """
    by_name = {label(cell): cell for cell in cells}
    wanted = list(names) or list(by_name)
    for name in wanted:
        if name not in by_name:
            raise InterpreterError(f"there is no {name!r}; there are {', '.join(by_name)}")
    return [by_name[name] for name in wanted]


def states(pins: dict[str, str], cells: Iterable[Cell], folder: Path | None) -> Iterator[str]:
    """Yield a line for every cell: what is pinned, and whether the archive is in the folder."""
    for cell in cells:
        try:
            name = pin_of(pins, *cell)
        except InterpreterError as error:
            yield f"{label(cell):<22} {error}"
            continue
        here = folder is not None and (folder / name).is_file()
        yield f"{label(cell):<22} {name}{'' if here else '  (not here)'}"


def _fetch_all(pins: dict[str, str], cells: Iterable[Cell], folder: Path | None) -> None:
    if folder is None:
        raise InterpreterError(f"{FOLDER} is not set; set it to the folder that is to hold the archives")
    source = listed()
    for cell in cells:
        name = pin_of(pins, *cell)
        if (folder / name).is_file() and sha256_of(folder / name) == pins[name]:
            print(f"{name} is in {folder}")
            continue
        fetch(name, pins[name], source.url(name, os.environ.get(MIRROR)), folder)
        print(f"{name} fetched")


def main(arguments: list[str]) -> int:
    """Run from ``bazel run //editions:interpreters``; 1 and one line when something cannot be had."""
    parser = argparse.ArgumentParser(
        prog="./bazelw run //editions:interpreters --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", nargs="?", choices=("list", "pin", "fetch"), default="list")
    parser.add_argument("cell", nargs="*", metavar="CELL", help="a platform and Python, for fetch")
    options = parser.parse_args(arguments)
    if options.cell and options.action != "fetch":
        parser.error("only fetch takes a CELL")
    root = workspace.root()
    cells = all_cells(root)
    folder = workspace.caller() / os.environ[FOLDER] if os.environ.get(FOLDER) else None
    try:
        if options.action == "pin":
            print("\n".join(pin(root / LOCK, cells, listed())) or "nothing changed")
            return 0
        pins = read_pins(root / LOCK)
        if options.action == "fetch":
            _fetch_all(pins, chosen(options.cell, cells), folder)
        else:
            print("\n".join(states(pins, cells, folder)))
    except InterpreterError as error:
        return workspace.told(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
