"""An edition of no plugins that runs from the source tree, for tests of whole processes that need no built file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PROGRAM = """\
#!{python}
import resource
import sys

sys.path[:] = {path!r}
files = {files!r}
if files:
    resource.setrlimit(resource.RLIMIT_NOFILE, files)

from core.build_info import BuildInfo
from server.cli import run
from server.boot.edition import Edition

sys.exit(run(Edition(BuildInfo("source", "0", "{major}.{minor}", "", ()), list), sys.argv[1:]))
"""


def source_edition(folder: Path, files: tuple[int, int] | None = None) -> Path:
    """Write a program that takes an edition's commands; ``files`` are its soft and hard limits of open files."""
    program = folder / "edition"
    path = [os.path.abspath(each) for each in sys.path]  # noqa: PTH100 - symbolic links must stay
    major, minor = sys.version_info[:2]
    program.write_text(_PROGRAM.format(python=sys.executable, path=path, files=files, major=major, minor=minor))
    program.chmod(0o755)
    return program
