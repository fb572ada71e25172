"""Other processes of this machine, as far as this user may see them: their commands, files and ports.

Linux tells it in ``/proc``; elsewhere ``ps`` tells the commands alone.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_LISTENING = "0A"


def processes() -> Iterator[tuple[int, str]]:
    """Yield the id of every visible process, and text in which every file that it runs from is named."""
    if not (PROC / "self").exists():
        listed = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True)  # noqa: S607
        for line in listed.stdout.splitlines():
            pid, _, text = line.strip().partition(" ")
            yield int(pid), text
        return
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            yield int(folder.name), "\n".join(_texts(folder))


def _texts(folder: Path) -> Iterator[str]:
    """Yield command line and, where this user may read them, executable and mapped files."""
    with suppress(OSError):  # it has ended
        yield command_of(folder)
    with suppress(OSError):  # another user's
        yield str((folder / "exe").readlink())
    with suppress(OSError):
        yield (folder / "maps").read_text("utf-8", "replace")


def command_of(folder: Path) -> str:
    """Return a process's command line, given its folder in ``/proc``."""
    return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()


def listener(port: int) -> tuple[int, str] | None:
    """Return the process that listens on a TCP port and its command line; None when that cannot be seen."""
    inodes = {
        fields[9]
        for table in ("tcp", "tcp6")
        for fields in _rows(PROC / "net" / table)
        if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port
    }
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for folder in PROC.iterdir() if wanted else ():
        if folder.name.isdigit():
            with suppress(OSError):  # another user's, or it has ended
                if any(str(each.readlink()) in wanted for each in (folder / "fd").iterdir()):
                    return int(folder.name), command_of(folder)
    return None


def _rows(table: Path) -> Iterator[list[str]]:
    with suppress(OSError):
        yield from (line.split() for line in table.read_text("ascii").splitlines()[1:])
