"""The repository that a program of ``bazel run`` works on, and the Bazel that started it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_OURS = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "RUNFILES_DIR", "TEST_SRCDIR")
"""Variables that the launcher of this program sets for itself."""


def root() -> Path:
    """Return the repository's root."""
    return Path(os.environ["BUILD_WORKSPACE_DIRECTORY"])


def caller() -> Path:
    """Return the folder that ``bazel run`` was called in: what relative paths of its arguments mean."""
    return Path(os.environ["BUILD_WORKING_DIRECTORY"])


def repository(runfiles: Path, name: str) -> Path:
    """Return a repository's folder in the runfiles; in a workspace with modules, Bazel puts words before its name."""
    return next(each for each in runfiles.iterdir() if re.fullmatch(rf"(.*[~+])?{name}", each.name))


def environment() -> dict[str, str]:
    """Return the caller's environment, without what is for this program alone."""
    return {name: value for name, value in os.environ.items() if name not in _OURS and not name.startswith("BUILD_W")}


def bazel(*arguments: str) -> str:
    """Run the repository's Bazel, which is free again while a program of ``bazel run`` runs; return what it prints.

    Raises:
        subprocess.CalledProcessError: it failed; its messages stand on standard error.
    """
    command = [str(root() / "bazelw"), *_output_base(Path.cwd()), *arguments]
    return subprocess.run(command, cwd=root(), env=environment(), check=True, text=True, stdout=subprocess.PIPE).stdout


def _output_base(runfiles: Path) -> Sequence[str]:
    """Return the option that names the output base that this program was built in: another one would build anew."""
    parts = runfiles.resolve().parts
    return [f"--output_base={Path(*parts[: parts.index('execroot')])}"] if "execroot" in parts else []


def told(error: Exception) -> int:
    """Print an error in one line and return the exit code of a program that ends with it."""
    print(f"error: {error}", file=sys.stderr)
    return 1
