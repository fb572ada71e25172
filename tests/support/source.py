"""An edition that runs from the source tree, for tests of whole processes that need no built file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from core.plugin import Plugin

_PROGRAM = """\
#!{python}
import resource
import sys

sys.path[:] = {path!r}
files = {files!r}
if files:
    resource.setrlimit(resource.RLIMIT_NOFILE, files)

from core.build_info import BuildInfo, PluginInfo
from server.cli import run
from server.boot.edition import Edition
{imports}
plugins = [{plugins}]
infos = tuple(PluginInfo(each.name, each.version) for each in plugins)
edition = Edition(BuildInfo("source", "0", "{major}.{minor}", "", infos), lambda: [each() for each in plugins])
sys.exit(run(edition, sys.argv[1:]))
"""


def source_edition(folder: Path, files: tuple[int, int] | None = None, plugins: Sequence[type[Plugin]] = ()) -> Path:
    """Write a program that takes an edition's commands; ``files`` are its soft and hard limits of open files."""
    program = folder / "edition"
    path = [os.path.abspath(each) for each in sys.path]  # noqa: PTH100 - symbolic links must stay
    major, minor = sys.version_info[:2]
    imports = "".join(f"from {each.__module__} import {each.__name__}\n" for each in plugins)
    text = _PROGRAM.format(
        python=sys.executable,
        path=path,
        files=files,
        major=major,
        minor=minor,
        imports=imports,
        plugins=", ".join(each.__name__ for each in plugins),
    )
    program.write_text(text)
    program.chmod(0o755)
    return program
