"""Virtual environments of locked wheels and generated stubs, for editors and type checkers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_UNCHECKED = b"# mypy: ignore-errors\n"
"""First line of generated modules: protoc writes gRPC stubs without types, and bare generics."""


def create(folder: Path) -> Path:
    """Make an empty virtual environment on the real interpreter and return its python."""
    python = os.path.realpath(sys.executable)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([python, "-m", "venv", "--clear", "--without-pip", str(folder)], env=environment, check=True)
    return folder / "bin" / "python3"


def site_packages(folder: Path) -> Path:
    """Return the folder that the environment imports packages from."""
    return folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


def copy_stubs(runfiles: Path, listing: Path, to: Path) -> None:
    """Write the generated modules and stubs that ``listing`` names below ``to``, and nothing else."""
    shutil.rmtree(to, ignore_errors=True)
    for path in listing.read_text(encoding="utf-8").splitlines():
        workspace, _, inner = path[3:].partition("/") if path.startswith("../") else ("", "", path)
        target = to / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        source = runfiles / workspace / inner if workspace else Path(path)
        target.write_bytes(_UNCHECKED + source.read_bytes())


def write_path(folder: Path, name: str, paths: Iterable[str]) -> None:
    """Make ``paths`` importable in the environment, by a .pth file."""
    (site_packages(folder) / f"{name}.pth").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
