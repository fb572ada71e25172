"""The lock of a plugin's own wheels: the server's versions, and both versions where they do not fit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from editions.toolchain.lockfile import LockError
from editions.tools.lock_plugin import lock, server_locks

HASH = "    --hash=sha256:" + "0" * 64


def entry(name: str, version: str) -> str:
    return f"{name}=={version} \\\n{HASH}\n"


@pytest.fixture
def servers(tmp_path: Path) -> list[Path]:
    """The server's locks, of one wheel each."""
    locks = [tmp_path / "runtime.lock", tmp_path / "build.lock"]
    for file, name in zip(locks, ("anyio", "idna"), strict=True):
        file.write_text(entry(name, "4.0"))
    return locks


def uv(folder: Path, script: str) -> Path:
    """A uv that runs a script of sh, in which $out is the file to write and $constrained tells of constraints."""
    program = folder / "uv"
    prelude = 'constrained=; for word; do [ "$word" = -c ] && constrained=1; out=$word; done\n'
    program.write_text(f'#!/bin/sh\necho "$*" >>{folder}/calls\n{prelude}{script}\n')
    program.chmod(0o755)
    return folder


def test_the_servers_versions_are_constraints(tmp_path: Path, servers: list[Path]) -> None:
    """The lock lies beside the requirements; what it held before is the start."""
    (tmp_path / "a.in").write_text("httpx\n")
    (tmp_path / "a.lock").write_text("old")
    place = uv(tmp_path, 'echo "$(cat $out) new" >$out')
    assert lock(tmp_path / "a.in", place, servers, ["--upgrade"]) == tmp_path / "a.lock"
    assert (tmp_path / "a.lock").read_text() == "old new\n"
    calls = (tmp_path / "calls").read_text()
    assert f"--upgrade -c {servers[0]} -c {servers[1]} {tmp_path}/a.in -o " in calls


def test_a_conflict_is_told_with_both_versions(tmp_path: Path, servers: list[Path]) -> None:
    """The requirements are locked alone to learn theirs; the lock stays as it was."""
    (tmp_path / "a.in").write_text("httpx\n")
    (tmp_path / "a.lock").write_text("old")
    alone = entry("anyio", "3.0") + entry("idna", "4.0") + entry("httpx", "1.0")
    place = uv(tmp_path, f"[ -z \"$constrained\" ] || exit 1\ncat >$out <<'END'\n{alone}END")
    with pytest.raises(LockError) as caught:
        lock(tmp_path / "a.in", place, servers, [])
    assert str(caught.value).endswith("\n  anyio: a.in leads to 3.0, but the server's runtime.lock pins 4.0")
    assert (tmp_path / "a.lock").read_text() == "old"


def test_requirements_that_nothing_fits_are_told(tmp_path: Path, servers: list[Path]) -> None:
    """Then the reason is uv's own."""
    (tmp_path / "a.in").write_text("nothing\n")
    with pytest.raises(LockError, match="cannot be locked, for the reason above"):
        lock(tmp_path / "a.in", uv(tmp_path, "exit 1"), servers, [])
    assert not (tmp_path / "a.lock").exists()


@pytest.mark.parametrize("name", ["absent.in", "a.txt"])
def test_only_requirements_are_locked(tmp_path: Path, name: str) -> None:
    """A file of another name would get a lock that nothing finds."""
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(LockError, match=r"is no file \*\.in"):
        lock(tmp_path / name, tmp_path, [], [])


def test_the_servers_locks_lie_beside_the_program() -> None:
    """In an archive of the server as in a checkout."""
    assert all(os.access(file, os.R_OK) for file in server_locks())
