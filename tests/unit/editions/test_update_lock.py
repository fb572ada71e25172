"""Locks are refreshed all or none, and what changed is said. A script stands for uv, which asks an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from editions.toolchain.lockfile import LockError
from editions.tools.update_lock import TOOLCHAIN, changes, refresh, versions

HASH = "--hash=sha256:" + "0" * 64
LOCKS = ("runtime", "build", "lint", "npm")


def entry(name: str, version: str) -> str:
    return f"{name}=={version} \\\n    {HASH}\n"


@pytest.fixture
def toolchain(tmp_path: Path) -> Path:
    """The repository's lock.sh with small locks of its own."""
    folder = tmp_path / "toolchain"
    folder.mkdir()
    (folder / "lock.sh").write_bytes((TOOLCHAIN / "lock.sh").read_bytes())
    for name in LOCKS:
        (folder / f"{name}.in").write_text("wheel\n")
        (folder / f"{name}.lock").write_text(entry("kept", "1.0") + entry("old", "1.0") + entry("wheel", "1.0"))
    return folder


def uv(folder: Path, script: str) -> Path:
    """A folder with a ``uv`` that runs the script; in it, ``$out`` is the lock to write."""
    place = folder / "bin"
    place.mkdir()
    text = f'#!/bin/sh\necho "$*" >>{folder}/calls\nwhile [ "$1" != -o ]; do shift; done\nout=$2\n{script}\n'
    (place / "uv").write_text(text)
    (place / "uv").chmod(0o755)
    return place


def texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_the_changes_are_named(toolchain: Path, tmp_path: Path) -> None:
    """New, gone and moved, per lock; what stayed is not mentioned; nothing is left beside the locks."""
    new = entry("kept", "1.0") + entry("new", "3.0") + entry("wheel", "2.0")
    place = uv(tmp_path, f"case $out in runtime.lock) cat >$out <<'END'\n{new}END\nesac")
    assert refresh(toolchain, [], everything=False, uv=place) == [
        "runtime.lock: new 3.0 (added)",
        "runtime.lock: old 1.0 (removed)",
        "runtime.lock: wheel 1.0 -> 2.0",
    ]
    assert (toolchain / "runtime.lock").read_text() == new
    assert set(texts(toolchain)) == {"lock.sh"} | {f"{name}.{kind}" for name in LOCKS for kind in ("in", "lock")}


@pytest.mark.parametrize(
    "script",
    [
        "case $out in lint.lock) exit 1;; *) : >$out;; esac",
        "case $out in npm.lock) echo 'wheel==2.0' >$out;; esac",
        f"case $out in npm.lock) printf 'wheel==2.0 @ https://index/w.whl {HASH}\\n' >$out;; esac",
    ],
)
def test_a_failure_changes_nothing(toolchain: Path, tmp_path: Path, script: str) -> None:
    """Neither when the third of four cannot be locked, nor when a hash is missing or an address is in it."""
    before = texts(toolchain)
    with pytest.raises(LockError):
        refresh(toolchain, [], everything=False, uv=uv(tmp_path, script))
    assert texts(toolchain) == before


def test_the_names_to_upgrade_are_passed_on(toolchain: Path, tmp_path: Path) -> None:
    """Names one by one, or everything; a name that no lock has is refused before anything runs."""
    place = uv(tmp_path, "")
    calls = tmp_path / "calls"
    with pytest.raises(LockError, match="no lock has a wheel 'absent'"):
        refresh(toolchain, ["absent"], everything=False, uv=place)
    assert not calls.exists()
    refresh(toolchain, ["kept", "wheel"], everything=False, uv=place)
    assert all("--upgrade-package=kept --upgrade-package=wheel" in line for line in calls.read_text().splitlines())
    calls.unlink()
    refresh(toolchain, [], everything=True, uv=place)
    assert [line.split()[-3:-1] for line in calls.read_text().splitlines()] == [[f"{name}.in", "-o"] for name in LOCKS]
    assert all(" --upgrade " in line for line in calls.read_text().splitlines())


def test_a_lock_that_goes_is_told() -> None:
    """Its wheels are removed, each with the version that it had."""
    assert list(changes({"a.lock": {"x": "1"}}, {})) == ["a.lock: x 1 (removed)"]


def test_the_repositorys_locks_hold_no_address() -> None:
    """Names and hashes, as the program itself checks."""
    assert {"runtime.lock", "build.lock", "lint.lock", "npm.lock"} == set(versions(TOOLCHAIN))
