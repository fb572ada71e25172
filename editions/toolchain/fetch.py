"""Downloads the wheels of a lock with pip, every one checked against the lock's hashes.

The machine's own pip only fetches the locked pip, which then fetches the rest several times as fast as an old one.
Which registry answers is the machine's pip configuration, never ours. FLOVYN_WHEELHOUSE names a directory of wheels
that replaces the network; the hashes still decide. If it holds the locked pip, the machine needs none.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_OPTIONS = ("download", "-q", "--require-hashes", "--no-deps", "--only-binary", ":all:")


_MISSING = re.compile(r"No matching distribution found for (?P<pin>(?P<name>[^=\s]+)==[^\s;]+)")


class FetchError(RuntimeError):
    """Wheels could not be had; the message is pip's own."""


class MissingWheelError(FetchError):
    """The index has no wheel of that name that fits; ``name`` is the one that pip met first."""

    def __init__(self, name: str, pin: str) -> None:
        folder = os.environ.get("FLOVYN_WHEELHOUSE")
        where = f"the folder {folder}, which FLOVYN_WHEELHOUSE names," if folder else "the registry"
        super().__init__(f"{where} has no wheel of {pin} for this machine and its Python")
        self.name = name


def fetch_pip(entry: str, to: Path) -> Path:
    """Return the locked pip's wheel, downloaded into ``to`` with the machine's own pip where it is not at hand."""
    at_hand = _at_hand(entry)
    if at_hand is not None:
        return at_hand
    _download([sys.executable, "-m", "pip"], entry, to)
    return next(to.glob("pip-*.whl"))


def fetch(entries: Mapping[str, str], pip: Path, to: Path, options: Sequence[str] = ()) -> None:
    """Download every entry into ``to`` with the locked pip; options choose wheels for another machine.

    Raises:
        MissingWheelError: a wheel does not exist for the machine.
        FetchError: the registry cannot be reached, or what it sends is not what the lock pins.
    """
    _download([sys.executable, str(pip / "pip")], "\n".join(entries.values()), to, options)


def _at_hand(pip_entry: str) -> Path | None:
    """The locked pip in the directory that replaces the network, checked as pip would check it."""
    folder = os.environ.get("FLOVYN_WHEELHOUSE")
    for wheel in Path(folder).glob("pip-*.whl") if folder else ():
        if f"--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}" in pip_entry:
            return wheel.absolute()
    return None


def _download(pip: list[str], lock: str, to: Path, options: Sequence[str] = ()) -> None:
    to.mkdir(parents=True, exist_ok=True)
    file = to.with_suffix(".lock")
    file.write_text(lock + "\n", encoding="utf-8")
    command = [*pip, *_OPTIONS, *options, *_source(), "-d", str(to), "-r", str(file)]
    done = subprocess.run(
        command, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise wheel_error(done.stdout + done.stderr)


def _source() -> list[str]:
    folder = os.environ.get("FLOVYN_WHEELHOUSE")
    return ["--no-index", "--find-links", folder] if folder else []


def _environment() -> dict[str, str]:
    """The machine's settings for pip, less what would make it ask or write."""
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **quiet}


def wheel_error(output: str) -> FetchError:
    """Return the error behind pip's output, which blames the wheel even when the index does not answer."""
    missing = _MISSING.search(output)
    if missing and "Retrying (" not in output:
        return MissingWheelError(missing["name"], missing["pin"])
    return FetchError(_advice(output))


def _advice(output: str) -> str:
    if "No module named pip" in output:
        return f"{sys.executable} has no pip; install it (Debian and Ubuntu: apt-get install python3-pip)"
    return f"pip could not download the locked wheels:\n{output}"
