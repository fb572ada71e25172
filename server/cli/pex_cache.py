"""The folder that editions unpack themselves into (``PEX_ROOT``): what is in it, who uses it, and what can go.

Each edition has an environment of its own (``venvs``), the sources that it was made of (``unzipped_pexes``,
``user_code``) and links to wheels (``installed_wheels``) that it shares with other editions. ``PEX-INFO`` in the
environment says which. What no edition made is left alone.

Two locks keep removal apart from starts: what a running edition holds (``server.cli.in_use``), and ``access.lck``,
which an edition holds shared while it unpacks itself, and a removal holds exclusively.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import StartupError, Unavailable
from server.cli.in_use import ABOUT, is_held

ENTRY = "flovyn_edition:main"
WAIT_FOR_UNPACKING_S = 60.0
JUST_STARTED_S = 60.0
"""An edition that was started so lately may not have its lock yet: it is never removed."""
REMOVED = ".removed"
"""Ends the name of what is on its way out; a prune that was killed leaves it to the next one."""

_DIGEST = re.compile(r"[0-9a-f]{40}")
_SHORT = "s"
"""The folder of short names for environments."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """One unpacked edition.

    Attributes:
        path: its environment.
        about: what PEX-INFO says.
        edition: its name.
        version: of the server in it.
        size: bytes that it has for itself alone, wheels that only it uses included.
        last_use: seconds since the epoch; the last start.
        running: whether a process holds its lock.
    """

    path: Path
    about: dict[str, Any]
    edition: str
    version: str
    size: int
    last_use: float
    running: bool


def unpacked(root: Path) -> list[Unpacked]:
    """Return the editions in the folder, by name and version."""
    all_ = list(_environments(root))
    found = []
    for path, about in all_:
        others = [other for where, other in all_ if where != path]
        if about.get("entry_point") == ENTRY:
            with suppress(FileNotFoundError):  # another process has just removed it
                name, version = _edition(path)
                size = sum(map(folder_size, (path, *_parts(root, about, others))))
                found.append(Unpacked(path, about, name, version, size, _last_use(path), is_held(path / ABOUT)))
    return sorted(found, key=lambda each: (each.edition, each.version, each.last_use))


def remove(root: Path, chosen: Iterable[Unpacked]) -> list[Unpacked]:
    """Remove editions and what only they use; return those that were removed: one that has come into use stays.

    Raises:
        Unavailable: editions were being unpacked for a minute.
    """
    gone = []
    with _alone(root):
        _sweep(root)
        for each in chosen:
            if _taken_away(root, each.path):
                gone.append(each)
                _remove_parts(root, each.about)
        _sweep(root)
    return gone


def _environments(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every environment, other programs' too, with its PEX-INFO."""
    return _finished(_found(root, f"venvs/*/*/*/{ABOUT}"))


def _found(root: Path, pattern: str) -> list[Path]:
    """Return the paths that match; folders that vanish meanwhile are no error, as they would be to ``Path.glob``."""
    return [root / path for path in glob.glob(pattern, root_dir=root)]  # noqa: PTH207


def _finished(files: Iterable[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield folders with their PEX-INFO; those that are being unpacked or removed have other names."""
    for file in sorted(files):
        if _DIGEST.fullmatch(file.parent.name):
            with suppress(FileNotFoundError):  # another process has just removed it
                yield file.parent, _about(file)


def _about(file: Path) -> dict[str, Any]:
    text = file.read_bytes()
    try:
        about: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise StartupError(f"{file} cannot be read ({error}); nothing is removed while it exists") from None
    return about


def _edition(path: Path) -> tuple[str, str]:
    for file in path.glob("lib/python*/site-packages/flovyn_edition/edition.json"):
        with suppress(OSError, ValueError, KeyError):
            info = json.loads(file.read_bytes())
            return str(info["edition"]), str(info["version"])
    return "unknown", "unknown"


def _last_use(path: Path) -> float:
    marker = path / ".last-access"
    return (marker if marker.exists() else path).stat().st_mtime


def _taken_away(root: Path, path: Path) -> bool:
    """Move an environment out of the way and remove it; put it back when a process has just started from it."""
    if not path.exists():  # another prune was faster
        return False
    if time.time() - _last_use(path) < JUST_STARTED_S or is_held(path / ABOUT):
        return False
    aside = path.with_name(path.name + REMOVED)
    path.rename(aside)
    if is_held(aside / ABOUT):
        aside.rename(path)
        return False
    shutil.rmtree(aside)
    with suppress(OSError):  # another interpreter's environment of the same edition is there
        _remove(path.parent)
    for short in _found(root, f"venvs/*/{_SHORT}/*/venv"):
        if not short.exists():
            shutil.rmtree(short.parent)
    return True


def _remove(folder: Path) -> None:
    """Remove a folder that holds nothing but lock files."""
    for file in folder.glob(".*.lck"):
        file.unlink()
    folder.rmdir()


def _remove_parts(root: Path, about: dict[str, Any]) -> None:
    """Remove what an edition that is gone has left, unless something that stays uses it."""
    others = [other for _, other in _environments(root)]
    hash_ = about["pex_hash"]
    if any(other.get("pex_hash") == hash_ for other in others):
        return
    for folder in _found(root, f"unzipped_pexes/*/{hash_}"):
        shutil.rmtree(folder)
    for part in _parts(root, about, others):
        aside = part.with_name(part.name + REMOVED)
        part.rename(aside)
        shutil.rmtree(aside)


def _parts(root: Path, about: dict[str, Any], others: Iterable[dict[str, Any]]) -> list[Path]:
    """Return the wheels, sources and pex's own code that one edition uses and no other does."""
    unzipped = _finished(_found(root, f"unzipped_pexes/*/*/{ABOUT}"))
    kept = [*others, *(other for folder, other in unzipped if folder.name != about["pex_hash"])]
    shared = {name for other in kept for name in _names(other)}
    names = [name for name in _names(about) if name not in shared]
    return [path for kind, name in names for path in _found(root, f"{kind}/*/{name}")]


def _names(about: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for wheel in about.get("distributions", {}).values():
        yield "installed_wheels", wheel
    for kind, key in (("user_code", "code_hash"), ("bootstraps", "bootstrap_hash")):
        if about.get(key):
            yield kind, about[key]


def _sweep(root: Path) -> None:
    """Remove what an earlier removal was killed in the middle of."""
    for left in (*_found(root, f"venvs/*/*/*{REMOVED}"), *_found(root, f"*/*/*{REMOVED}")):
        shutil.rmtree(left)


def folder_size(folder: Path) -> int:
    """Return the bytes of the files in a folder; links count for nothing."""
    return sum(
        (Path(parent) / name).lstat().st_size
        for parent, _, names in os.walk(folder)
        for name in names
        if not (Path(parent) / name).is_symlink()
    )


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait until nothing is being unpacked, and hold that off."""
    with (root / "access.lck").open("ab") as lock:
        deadline = time.monotonic() + WAIT_FOR_UNPACKING_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(f"editions are being unpacked into {root}; try again later") from None
                time.sleep(0.05)
            except OSError as error:
                raise Unavailable(f"{root} offers no locks ({error.strerror}), so nothing is removed from it") from None
        yield
