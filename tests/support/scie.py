"""A machine without Python, on which files with their own interpreter are started."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
UNPACKING = ("chmod", "find", "gzip", "head", "mkdir", "mktemp", "mv", "rm", "tail", "tar")
"""The programs that a first start needs."""


class Machine:
    """A machine without Python, with the few programs that a start needs, and a folder for unpacked files."""

    def __init__(self, folder: Path) -> None:
        self.home, self.path = folder / "home", folder / "bin"
        self.path.mkdir()
        for name in ("sh", "ldd", *UNPACKING):  # pex asks ldd which C library there is
            (self.path / name).symlink_to(str(shutil.which(name)))

    @property
    def environ(self) -> dict[str, str]:
        """All variables that there are."""
        return {"PATH": str(self.path), "FLOVYN_HOME": str(self.home)}

    def begin(self, scie: Path, *arguments: str) -> subprocess.Popen[str]:
        """Start a command without waiting for its end."""
        return subprocess.Popen(
            [str(scie), *arguments],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            start_new_session=True,
        )

    def start(self, scie: Path, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end."""
        with self.begin(scie, *arguments) as process:
            out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def left(self) -> list[str]:
        """The unfinished files that a failed or killed start has left."""
        return sorted(path.name for path in self.home.glob(".new.*"))

    def kept(self) -> list[Path]:
        """The files with their final names."""
        return sorted(path for kind in ("interpreters", "editions") for path in (self.home / kind).glob("*"))
