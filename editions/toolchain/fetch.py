"""Downloads the wheels of a lock with pip, every one checked against the lock's hashes.

The machine's own pip only fetches the locked pip, which then fetches the rest several times as fast as an old one.
Which registry answers is the machine's pip configuration, never ours. FLOVYN_WHEELHOUSE names a directory of wheels
that replaces the network; the hashes still decide.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_OPTIONS = ("download", "-q", "--require-hashes", "--no-deps", "--only-binary", ":all:")


class FetchError(RuntimeError):
    """Wheels could not be had; the message is pip's own."""


def fetch(entries: Mapping[str, str], pip_entry: str, to: Path) -> Path:
    """Download every entry into ``to`` and return the locked pip that did it."""
    tools = to.with_name("pip")
    _download([sys.executable, "-m", "pip"], pip_entry, tools)
    pip = next(tools.glob("pip-*.whl"))
    _download([sys.executable, str(pip / "pip")], "\n".join(entries.values()), to)
    return pip


def _download(pip: list[str], lock: str, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    file = to.with_suffix(".lock")
    file.write_text(lock + "\n", encoding="utf-8")
    command = [*pip, *_OPTIONS, *_source(), "-d", str(to), "-r", str(file)]
    done = subprocess.run(
        command, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise FetchError(_advice(done.stdout + done.stderr))


def _source() -> list[str]:
    folder = os.environ.get("FLOVYN_WHEELHOUSE")
    return ["--no-index", "--find-links", folder] if folder else []


def _environment() -> dict[str, str]:
    """The machine's settings for pip, less what would make it ask or write."""
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **quiet}


def _advice(output: str) -> str:
    if "No module named pip" in output:
        return f"{sys.executable} has no pip; install it (Debian and Ubuntu: apt-get install python3-pip)"
    return f"pip could not download the locked wheels:\n{output}"
