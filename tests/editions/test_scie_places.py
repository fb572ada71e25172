"""Folders that a file with its own interpreter cannot use as usual: it starts, or says in one line what to do.

Real mounts in a name space of each test's own, and a real second user where the tests may become one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pex import pex

SERVICE_UID = 65534
READ_ONLY = 'mount --bind "$FLOVYN_HOME" "$FLOVYN_HOME" && mount -o remount,ro,bind "$FLOVYN_HOME"'
NO_PROGRAMS = 'mount --bind "$FLOVYN_HOME" "$FLOVYN_HOME" && mount -o remount,noexec,bind "$FLOVYN_HOME"'


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can enter, with the file in it; the tests' own folder is closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="flovyn-place-", dir="/tmp"))  # other users must reach it
    folder.chmod(0o755)
    shutil.copy(pex("MINIMAL_SCIE"), folder / "minimal")
    yield folder
    shutil.rmtree(folder)


def run(place: Path, *command: str, user: int | None = None, **more: str) -> tuple[int, str, str]:
    done = subprocess.run(
        command or ("./minimal", "version"),
        cwd=place,
        env={"PATH": f"/usr/sbin:/sbin:{os.defpath}", **more},
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def mounted(place: Path, mount: str, **more: Any) -> tuple[int, str, str]:
    """Start the file where a shell has mounted something; the mounts end with it."""
    if subprocess.run(["/usr/bin/env", "unshare", "-Urm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("mounts need user name spaces")
    return run(place, "unshare", "-Urm", "sh", "-c", f"{mount} && exec ./minimal version", **more)


def unpacked(place: Path) -> str:
    """The folder of a first start."""
    code, _, err = run(place, FLOVYN_HOME=f"{place}/home")
    assert (code, err) == (0, "")
    return f"{place}/home"


def told(found: tuple[int, str, str], *texts: str) -> None:
    """The start failed in one line with these texts."""
    code, out, err = found
    assert (code, out, err.count("\n")) == (1, "", 1), err
    assert all(text in err for text in texts), err


def test_a_read_only_folder_with_the_copies_starts(place: Path) -> None:
    """A file that was unpacked ahead needs to write nothing."""
    code, out, err = mounted(place, READ_ONLY, FLOVYN_HOME=unpacked(place))
    assert (code, err) == (0, "")
    assert "edition minimal" in out


def test_a_read_only_folder_without_the_copies_is_told(place: Path) -> None:
    """The line names the folder and the variable."""
    (place / "home").mkdir()
    found = mounted(place, READ_ONLY, FLOVYN_HOME=f"{place}/home")
    told(found, f"cannot write into {place}/home; set FLOVYN_HOME")


def test_a_folder_that_runs_no_programs_is_told(place: Path) -> None:
    """Before the interpreter is unpacked into it, and after a mount took the right away."""
    (place / "home").mkdir()
    for home in (f"{place}/home", unpacked(place)):
        told(mounted(place, NO_PROGRAMS, FLOVYN_HOME=home), "runs no programs (noexec); set FLOVYN_HOME")
    assert list(Path(home).glob(".new.*")) == []


@pytest.mark.parametrize("size", ["2m", "20m"])
def test_a_full_disk_is_told(place: Path, size: str) -> None:
    """At once, and in the middle of the interpreter's files."""
    (place / "home").mkdir()
    found = mounted(place, f'mount -t tmpfs -o size={size} none "$FLOVYN_HOME"', FLOVYN_HOME=f"{place}/home")
    told(found, f"into {place}/home: the disk is full or")


def as_another_user(place: Path, **more: str) -> tuple[int, str, str]:
    if os.getuid() != 0:
        pytest.skip("needs root")
    return run(place, user=SERVICE_UID, **more)


def test_the_service_s_user_starts_what_root_unpacked(place: Path) -> None:
    """Root tries the file first; the service's user then runs the same copies, in which it may write nothing."""
    code, out, err = as_another_user(place, FLOVYN_HOME=unpacked(place))
    assert (code, err) == (0, "")
    assert "edition minimal" in out


def test_a_folder_of_root_without_the_copies_is_told_to_another_user(place: Path) -> None:
    """The line names the folder and the variable."""
    (place / "home").mkdir()
    found = as_another_user(place, FLOVYN_HOME=f"{place}/home")
    told(found, f"cannot write into {place}/home; set FLOVYN_HOME to a folder of this user")


def test_without_home_no_folder_gets_a_tilde(place: Path) -> None:
    """A user without HOME and without a folder of its own is told; nothing is written in the root of the file system."""
    told(as_another_user(place), "FLOVYN_HOME")
    told(run(place, FLOVYN_HOME="~/flovyn"), "no shell replaced the ~; write the whole path")
    assert list(place.rglob("~*")) == []
    assert not Path("/.cache/flovyn").exists()


def test_settings_of_another_pex_change_nothing(place: Path) -> None:
    """Variables that start an interpreter, a module or a script in another PEX leave the server alone."""
    foreign: dict[str, Any] = {
        "PEX_INTERPRETER": "1",
        "PEX_MODULE": "json.tool",
        "PEX_SCRIPT": "x",
        "PEX_ROOT": f"{place}/other",
    }
    for _ in ("the first start", "a later one"):
        code, out, err = run(place, FLOVYN_HOME=f"{place}/home", **foreign)
        assert (code, err) == (0, "")
        assert "edition minimal" in out
    assert not (place / "other").exists()


@pytest.mark.parametrize("size", [200_000, -100])
def test_a_truncated_file_is_told(place: Path, size: int) -> None:
    """A download that ended early leaves nothing under a final name that was made of its last part."""
    whole = (place / "minimal").read_bytes()
    (place / "minimal").write_bytes(whole[:size])
    told(run(place, FLOVYN_HOME=f"{place}/home"), "the disk is full or", "minimal is damaged")


def test_an_interpreter_that_is_gone_is_unpacked_again(place: Path) -> None:
    """The folder of the first start may lose its files, such as to a program that clears old ones."""
    home = Path(unpacked(place))
    for lost in (home / "interpreters").glob("*"):
        shutil.rmtree(lost)
    code, out, err = run(place, FLOVYN_HOME=str(home))
    assert (code, err) == (0, "")
    assert "edition minimal" in out
