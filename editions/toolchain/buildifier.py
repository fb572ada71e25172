"""Fetches buildifier's npm package with the npm of a locked wheel and takes this machine's binary out of it.

Runs in the repository rule of buildifier.bzl, with the repository's folder as working directory.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tarfile
from pathlib import Path

from editions.toolchain.fetch import FetchError
from editions.toolchain.lockfile import LockError
from editions.toolchain.npm import LEFT_BEHIND, package

_PACKAGE = "@bazel/buildifier"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def extract(archive: Path, to: Path) -> None:
    """Write the binary for this machine to ``to``."""
    machine = platform.machine().lower()
    name = f"package/buildifier-{platform.system().lower()}_{_MACHINES.get(machine, machine)}"
    with tarfile.open(archive) as tar:
        member = tar.extractfile(name)
        if member is None:
            raise FetchError(f"{_PACKAGE} has no file {name}: it does not support this machine")
        to.write_bytes(member.read())
    to.chmod(0o755)


def main() -> int:
    """Run from the command line; 1 and one message when the package cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--pip-lock", type=Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--integrity", required=True)
    options = parser.parse_args()
    try:
        archive = package(_PACKAGE, options.version, options.integrity, options.lock, options.pip_lock)
        extract(archive, Path("buildifier"))
    except (FetchError, LockError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    for folder in LEFT_BEHIND:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
