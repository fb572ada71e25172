"""Marks the unpacked edition of this process as in use, so that ``cache prune`` does not remove it.

A shared lock on its ``PEX-INFO`` lives exactly as long as the process and those that it forks, and kernels know such
locks across containers, where processes do not see one another. A file with its own interpreter unpacks the edition's
file too, which is held likewise. Imports nothing heavy: every command calls it.
"""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import suppress
from pathlib import Path

from server.process.origin import unpacked_origin

ABOUT = "PEX-INFO"
"""The file in which pex describes an unpacked edition."""


def own_environment() -> Path | None:
    """Return the environment that this process runs from; None when it is not an unpacked edition's."""
    path = Path(sys.prefix).resolve()
    return path if (path / ABOUT).is_file() and path.parent.parent.parent.name == "venvs" else None


def own_root() -> Path | None:
    """Return the folder that this process was unpacked into; None when it was not."""
    own = own_environment()
    return None if own is None else own.parents[3]


def keep() -> None:
    """Mark the environment as in use until this process and its children have ended."""
    own = own_environment()
    if own is not None:
        _hold(own / ABOUT)
        if file := unpacked_origin():
            _hold(Path(file))


def is_held(file: Path) -> bool:
    """Return whether a process holds the file, or whether that cannot be known; False where the file is gone."""
    try:
        with file.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError:  # a file system without locks: not known, so not removed
        return True
    return False


def _hold(file: Path) -> None:
    with suppress(OSError):  # without locks, ``cache prune`` removes nothing
        fcntl.flock(os.open(file, os.O_RDONLY), fcntl.LOCK_SH)  # a check holds it only for a moment
