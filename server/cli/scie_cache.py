"""The folder of unpacked files with their own interpreter (``FLOVYN_HOME``), and removals from it.

``editions/tools/scie_header.sh`` writes it: ``interpreters`` and ``editions`` hold a folder per digest, whose mark
``.last-start`` every start renews before it looks at anything else; ``pex`` holds a ``PEX_ROOT`` for every interpreter.
An interpreter stays as long as an environment that was made with it does, and an edition's file while a process that
was started from it holds its lock (``server.cli.in_use``).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from server.cli.in_use import is_held
from server.cli.pex_cache import JUST_STARTED_S, REMOVED, folder_size

INTERPRETERS, EDITIONS, ROOTS = "interpreters", "editions", "pex"
MARK = ".last-start"


@dataclass(frozen=True, slots=True)
class Carried:
    """An interpreter or an edition's file that was unpacked.

    Attributes:
        path: its folder.
        size: bytes in it.
        last_use: seconds since the epoch; the last start.
        needed: an environment was made with the interpreter, or a process holds the edition's lock.
    """

    path: Path
    size: int
    last_use: float
    needed: bool


def home_of(root: Path) -> Path | None:
    """Return the folder that a PEX root is a part of; None when it was not made by a file with its own interpreter."""
    home = root.parent.parent
    return home if root.parent.name == ROOTS and (home / INTERPRETERS / root.name).is_dir() else None


def roots(home: Path) -> list[Path]:
    """Return the PEX roots of all interpreters."""
    return sorted((home / ROOTS).glob("[0-9a-f]*"))


def carried(home: Path) -> list[Carried]:
    """Return the unpacked interpreters, then the unpacked files of editions."""
    return list(_carried(home))


def _carried(home: Path) -> Iterator[Carried]:
    for kind in (INTERPRETERS, EDITIONS):
        for folder in sorted((home / kind).glob("[0-9a-f]*")):
            with suppress(FileNotFoundError):  # another process has just removed it
                if not folder.name.endswith(REMOVED):
                    yield Carried(folder, folder_size(folder), _last_use(folder), _is_needed(folder))


def remove(chosen: Iterable[Carried]) -> list[Carried]:
    """Remove interpreters and editions' files; return those that went: what has come into use stays."""
    return [each for each in chosen if _taken_away(each.path)]


def sweep(home: Path) -> None:
    """Remove what an earlier removal was killed in the middle of."""
    for left in home.glob(f"*/*{REMOVED}"):
        shutil.rmtree(left)


def _last_use(folder: Path) -> float:
    mark = folder / MARK
    return (mark if mark.exists() else folder).stat().st_mtime


def _is_needed(folder: Path) -> bool:
    if folder.parent.name == INTERPRETERS:
        return _environments(folder.parents[1] / ROOTS / folder.name)
    return any(map(is_held, folder.glob("*.pex")))


def _environments(root: Path) -> bool:
    return any(root.glob("venvs/*/*/*/PEX-INFO"))


def _taken_away(folder: Path) -> bool:
    """Move a folder out of the way and remove it; put it back when a process has just started from it."""
    aside = folder.with_name(folder.name + REMOVED)
    try:
        if _is_in_use(folder):
            return False
        folder.rename(aside)
    except FileNotFoundError:  # another prune was faster
        return False
    if time.time() - _last_use(aside) < JUST_STARTED_S:
        with suppress(OSError):  # a start has unpacked it anew meanwhile
            aside.rename(folder)
            return False
    shutil.rmtree(aside)
    return True


def _is_in_use(folder: Path) -> bool:
    return time.time() - _last_use(folder) < JUST_STARTED_S or _is_needed(folder)
