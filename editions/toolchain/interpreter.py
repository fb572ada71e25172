"""Takes the pinned archive of a relocatable CPython out of a folder and checks it, for editions that carry one.

Runs in the repository rule of interpreters.bzl, with the repository's folder as working directory. An archive that
cannot be had is no failure here: it stops the targets that need it, at analysis, and only those.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

ARCHIVE = "interpreter.tar.gz"
FOLDER = "FLOVYN_INTERPRETERS"
"""The variable that names the folder of archives."""

TRIPLES = {
    "linux-x86_64": "x86_64-unknown-linux-gnu",
    "linux-aarch64": "aarch64-unknown-linux-gnu",
    "linux-musl-x86_64": "x86_64-unknown-linux-musl",
    "linux-musl-aarch64": "aarch64-unknown-linux-musl",
    "macos-arm64": "aarch64-apple-darwin",
}
"""The names of platforms in the names of python-build-standalone's archives."""

_PIN = re.compile(r"(?P<sha256>[0-9a-f]{64}) [ *](?P<file>[^/\s]+)")
_BUILD = """\
load("@flovyn_server//editions/toolchain:interpreter.bzl", "interpreter")

interpreter(
    name = "interpreter",
    archive = {archive},
    missing = {missing},
    python = "{python}",
    visibility = ["//visibility:public"],
)
"""


class InterpreterError(ValueError):
    """An archive cannot be had; the text says why, and what to do."""


def read_pins(lock: Path) -> dict[str, str]:
    """Return the digests of a lock, by name of the archive.

    Raises:
        InterpreterError: a line is not as ``sha256sum`` writes it, or an archive is pinned twice.
    """
    pins: dict[str, str] = {}
    for number, line in enumerate(lock.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _PIN.fullmatch(line)
        if match is None:
            raise InterpreterError(f"{lock.name}:{number}: is not '<sha256>  <file>', as sha256sum writes it: {line!r}")
        if match["file"] in pins:
            raise InterpreterError(f"{lock.name}:{number}: {match['file']} is pinned twice; keep one line")
        pins[match["file"]] = match["sha256"]
    return pins


def named(platform: str, python: str) -> re.Pattern[str]:
    """Return the pattern of the names of archives for a platform and a Python."""
    return re.compile(rf"cpython-{re.escape(python)}\.\d+\+\d+-{TRIPLES[platform]}-install_only(_stripped)?\.tar\.gz")


def sha256_of(file: Path) -> str:
    """Return a file's digest, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def pin_of(pins: dict[str, str], platform: str, python: str) -> str:
    """Return the name of the one archive that is pinned for a platform and a Python.

    Raises:
        InterpreterError: there is none, or more than one.
    """
    found = sorted(filter(named(platform, python).fullmatch, pins))
    lock = "editions/toolchain/interpreters.sha256"
    if not found:
        raise InterpreterError(
            f"no interpreter is pinned for {platform}, CPython {python};"
            " ./bazelw run //editions:interpreters -- pin adds the newest"
        )
    if len(found) > 1:
        raise InterpreterError(f"{platform}, CPython {python} has several pins in {lock}: {', '.join(found)}; keep one")
    return found[0]


def take(file: str, sha256: str, folder: str | None, to: Path, again: str) -> None:
    """Copy an archive out of ``folder`` when it is the pinned one; ``again`` is the command that looks once more.

    Raises:
        InterpreterError: there is no folder or no such file, or the file is another.
    """
    if not folder:
        raise InterpreterError(
            f"{FOLDER} is not set; set it to the folder that holds {file}"
            " (./bazelw run //editions:interpreters -- fetch brings it)"
        )
    source = Path(folder) / file
    if not source.is_file():
        raise InterpreterError(f"{file} is not in {folder} ({FOLDER}); put it there and run: {again}")
    shutil.copyfile(source, to)
    found = sha256_of(to)
    if found != sha256:
        to.unlink()
        raise InterpreterError(
            f"{source} is not what is pinned: expected sha256 {sha256}, found {found};"
            f" put the right one there and run: {again}"
        )


def build(options: argparse.Namespace) -> None:
    """Copy the archive into the working directory and describe it, or describe the missing one."""
    missing = ""
    pins = read_pins(options.lock)
    try:
        file = pin_of(pins, options.platform, options.python)
        take(file, pins[file], os.environ.get(FOLDER), Path(ARCHIVE), f"./bazelw sync --only={options.repository}")
    except InterpreterError as error:
        missing = str(error)
    archive = json.dumps(ARCHIVE) if not missing else "None"
    text = _BUILD.format(archive=archive, missing=json.dumps(missing), python=options.python)
    Path("BUILD.bazel").write_text(text, encoding="utf-8")


def main() -> int:
    """Run from the command line; 1 and one message when the lock is none."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--platform", "--python", "--repository"):
        parser.add_argument(name, required=True)
    parser.add_argument("--lock", type=Path, required=True)
    try:
        build(parser.parse_args())
    except InterpreterError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
