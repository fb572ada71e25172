"""Other processes of this machine that listen on a port, as far as Linux shows them to this user in ``/proc``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_LISTENING = "0A"


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
