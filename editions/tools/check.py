"""Formats, lints and type-checks the repository: ruff, buildifier, zizmor, mypy. ``--check`` changes nothing.

All tools run even when one fails, so that one call shows everything there is to mend.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from editions.tools.venv import copy_stubs, create, write_path
from editions.tools.workspace import repository

_STARLARK = ("*.bzl", "*.bazel", "WORKSPACE")

_NOT_WANTED = (
    "bzl-visibility",  # the facades of plugins, proto and tests share editions/private
    "unnamed-macro",  # the menu declares many editions
    "unused-variable",  # the menu's descriptions are for readers
)


def starlark_files(root: Path) -> list[str]:
    """Return the files that buildifier formats: those that git knows or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *_STARLARK]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted(path for path in listed if path and (root / path).exists())


def commands(root: Path, runfiles: Path, python: Path, *, change: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield each tool's name and command, in the order in which they run."""
    wheels = repository(runfiles, "lint_wheels") / "unpacked"
    ruff = str(wheels / "ruff/bin/ruff")
    yield "ruff check", [ruff, "check", "--quiet", *(["--fix"] if change else []), "."]
    yield "ruff format", [ruff, "format", "--quiet", *([] if change else ["--diff"]), "."]
    mode = "fix" if change else "diff"
    warnings = "-warnings=" + ",".join(f"-{name}" for name in _NOT_WANTED)
    buildifier = [str(repository(runfiles, "buildifier") / "buildifier"), f"-mode={mode}", "-lint=warn", warnings]
    yield "buildifier", [*buildifier, *starlark_files(root)]
    zizmor = str(wheels / "zizmor/bin/zizmor")
    yield "zizmor", [zizmor, "--offline", "--quiet", "--no-progress", ".github/workflows"]
    yield "mypy", [str(python), "-m", "mypy"]


def environment(folder: Path, runfiles: Path, stubs: Path) -> tuple[Path, Path]:
    """Make an environment with all wheels and stubs visible; return its python and the folder of stubs."""
    python = create(folder / "venv")
    trees = sorted(runfiles.glob("*wheels/unpacked/*/site-packages"))
    write_path(folder / "venv", "wheels", [str(tree.resolve()) for tree in trees])
    copy_stubs(runfiles, stubs, folder / "stubs")
    return python, folder / "stubs"


def run(name: str, command: list[str], root: Path, stubs: Path) -> bool:
    """Run one tool and tell how it went."""
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=root, env={**variables, "MYPYPATH": str(stubs)}, check=False)
    print(f"{'ok' if done.returncode == 0 else 'FAILED'}: {name}", flush=True)
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    """Run from ``bazel run //:check``; 1 when a tool failed."""
    parser = argparse.ArgumentParser(prog="./bazelw run //:check --", description=__doc__)
    parser.add_argument("--runfiles", type=Path, required=True)
    parser.add_argument("--stubs", type=Path, required=True)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where formatting would")
    options = parser.parse_args(arguments)
    root = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"])
    with tempfile.TemporaryDirectory() as folder:
        python, stubs = environment(Path(folder), options.runfiles, options.stubs)
        tools = commands(root, options.runfiles, python, change=not options.check)
        results = [run(name, command, root, stubs) for name, command in tools]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
