"""The note in a data folder of ``dev``: which process runs there, and how it is called. One process holds its lock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from core.errors import StartupError
from server.cli.remote.servers import RUNNING_FILE

_PATIENCE_S: Final = 1.0
"""A command that looks at the note holds its lock for a moment."""

Note = Callable[..., None]
"""Writes members of the note."""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Note]:
    """Hold the data folder, and yield what writes the note.

    Raises:
        StartupError: another process holds it; the error names the process.
    """
    file = folder / RUNNING_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartupError(f"the data folder {folder} cannot be used: {error.strerror}") from None
    try:
        _lock(number, file)

        def note(**members: Any) -> None:
            text = json.dumps({"pid": os.getpid(), **members}).encode()
            os.ftruncate(number, 0)
            os.pwrite(number, text, 0)

        note()
        yield note
        os.ftruncate(number, 0)
    finally:
        os.close(number)


def _lock(number: int, file: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StartupError(_taken(file)) from None
            time.sleep(0.05)
        except OSError:  # a file system without locks: PostgreSQL itself refuses a second server
            return
        else:
            return


def _taken(file: Path) -> str:
    try:
        note = json.loads(file.read_text())
        where = f", its REST API at {note['rest']}" if "rest" in note else ""
        who = f"process {note['pid']} runs 'dev' on {file.parent}{where}"
    except (OSError, ValueError, KeyError, TypeError):
        who = f"another 'dev' runs on {file.parent}"
    return f"{who}; stop it, or choose another folder with --data-dir"
