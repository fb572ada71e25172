"""Folders that an edition cannot use as usual: it starts from them, or says in one line what is wrong and what to do.

Real mounts in a name space of each test's own, and a real second user where the tests may become one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.pex import pex

SERVICE_UID = 65534
MINOR = f"python{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can enter, with the minimal edition in it; the tests' own folder is closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="flovyn-place-", dir="/tmp"))  # other users must reach it
    folder.chmod(0o755)
    shutil.copy(pex("MINIMAL_PEX"), folder / "minimal.pex")
    shutil.copy(pex("FULL_PEX"), folder / "full.pex")
    yield folder
    shutil.rmtree(folder)


def variables(**more: str) -> dict[str, str]:
    """An environment without HOME and settings; the interpreter is one that every user reaches, where there is one."""
    folders = [folder for folder in os.defpath.split(":") if (Path(folder) / MINOR).exists()]
    own = [] if folders else [str(Path(sys.executable).parent)]
    return {"PATH": ":".join([*own, "/usr/sbin", "/sbin", os.defpath]), **more}


def run(place: Path, *command: str, **more: str) -> tuple[int, str, str]:
    return started(place, command, more, None)


def started(place: Path, command: Sequence[str], more: dict[str, str], user: int | None) -> tuple[int, str, str]:
    done = subprocess.run(
        command,
        cwd=place,
        env=variables(**more),
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def mounted(place: Path, mount: str, *command: str, **more: str) -> tuple[int, str, str]:
    """Run a command where a shell has mounted something; the mounts end with it."""
    if subprocess.run(["/usr/bin/env", "unshare", "-Urm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("mounts need user name spaces")
    return run(place, "unshare", "-Urm", "sh", "-c", f'{mount} && exec "$0" "$@"', *command, **more)


def unpacked(place: Path) -> str:
    """The folder of an unpacked minimal edition."""
    code, _, err = run(place, "./minimal.pex", "version", PEX_ROOT=str(place / "root"))
    assert (code, err) == (0, "")
    return str(place / "root")


def one_line(err: str) -> str:
    assert err.count("\n") == 1, err
    return err


READ_ONLY = 'mount --bind "$PEX_ROOT" "$PEX_ROOT" && mount -o remount,ro,bind "$PEX_ROOT"'
NO_PROGRAMS = 'mount --bind "$PEX_ROOT" "$PEX_ROOT" && mount -o remount,noexec,bind "$PEX_ROOT"'


def test_a_read_only_cache_with_the_copy_starts(place: Path) -> None:
    """An edition that was unpacked ahead needs to write nothing."""
    code, out, err = mounted(place, READ_ONLY, "./minimal.pex", "version", PEX_ROOT=unpacked(place))
    assert (code, err) == (0, "")
    assert "edition minimal" in out


def test_a_read_only_cache_without_the_copy_is_told(place: Path) -> None:
    """Another edition finds no room for its copy, and names the folder and the variable."""
    code, _, err = mounted(place, READ_ONLY, "./full.pex", "version", PEX_ROOT=unpacked(place))
    assert code == 1
    assert f"cannot write to {place}/root" in one_line(err)
    assert "set PEX_ROOT to another folder" in err


def test_doctor_accepts_a_read_only_cache(place: Path) -> None:
    """``doctor`` says that this edition is unpacked there, and that no other could be."""
    more = {"PEX_ROOT": unpacked(place), "DATABASE_URL": "postgres://a:b@127.0.0.1:1/c"}
    code, out, err = mounted(place, READ_ONLY, "./minimal.pex", "doctor", **more)
    assert (code, err) == (1, "")  # the database is away
    assert "read-only: this edition is unpacked, no other could be" in out


@pytest.mark.parametrize("command", ["doctor", "serve"])
def test_a_copy_that_became_unable_to_run_is_told(place: Path, command: str) -> None:
    """Where a mount took the right to run programs away, no library can be loaded; the line says so."""
    code, _, err = mounted(place, NO_PROGRAMS, "./minimal.pex", command, PEX_ROOT=unpacked(place))
    assert code == 1
    assert "(noexec); set PEX_ROOT to another folder" in one_line(err)


@pytest.mark.parametrize(
    ("option", "expected"),
    [("noexec", "runs no programs (noexec); set PEX_ROOT"), ("size=20m", "unpacking takes")],
)
def test_a_file_system_that_cannot_take_the_copy_is_told(place: Path, option: str, expected: str) -> None:
    """Nothing is unpacked where programs do not run, or where the room is too little."""
    (place / "other").mkdir()
    mount = f'mount -t tmpfs -o {option} none "$PEX_ROOT"'
    code, _, err = mounted(place, mount, "./minimal.pex", "version", PEX_ROOT=f"{place}/other")
    assert code == 1
    assert expected in one_line(err)


def as_another_user(place: Path, *command: str, **more: str) -> tuple[int, str, str]:
    if os.getuid() != 0 or not any((Path(folder) / MINOR).exists() for folder in os.defpath.split(":")):
        pytest.skip(f"needs root, and a {MINOR} that other users reach")
    return started(place, command, more, SERVICE_UID)


def test_the_service_s_user_starts_what_root_unpacked(place: Path) -> None:
    """Root tries the file first; the service's user then runs the same copy, in which it may write nothing."""
    root = unpacked(place)
    code, out, err = as_another_user(place, "./minimal.pex", "version", PEX_ROOT=root)
    assert (code, err) == (0, "")
    assert "edition minimal" in out


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o1777])
def test_a_folder_that_root_began_is_told_to_another_user(place: Path, mode: int) -> None:
    """Another edition, or a copy that is closed to the user: one line names the folder that refuses, and the variable."""
    root = Path(unpacked(place))
    root.chmod(mode)
    code, _, err = as_another_user(place, "./full.pex", "version", PEX_ROOT=str(root))
    assert code == 1
    assert f"cannot write to {root}" in one_line(err)
    assert "set PEX_ROOT to another folder" in err


def test_without_home_no_folder_gets_a_tilde(place: Path) -> None:
    """A user without HOME and without a folder of its own is told; nothing named ``~`` appears anywhere."""
    code, _, err = as_another_user(place, "./minimal.pex", "version")
    assert code == 1
    assert "PEX_ROOT" in one_line(err)
    assert list(place.rglob("~*")) == []


def test_settings_of_another_pex_change_nothing(place: Path) -> None:
    """Variables that start an interpreter, a module or a script in another PEX leave the server alone."""
    foreign = {"PEX_INTERPRETER": "1", "PEX_MODULE": "json.tool", "PEX_SCRIPT": "x", "PEX_TOOLS": "1"}
    for _ in ("the first start", "a later one"):
        code, out, err = run(place, "./minimal.pex", "version", PEX_ROOT=f"{place}/root", **foreign)
        assert (code, err) == (0, "")
        assert "edition minimal" in out


@pytest.mark.parametrize("size", [200_000, 1_000_000, -100])
def test_a_truncated_file_is_told(place: Path, size: int) -> None:
    """A download that ended early says so before it unpacks anything."""
    whole = (place / "minimal.pex").read_bytes()
    (place / "minimal.pex").write_bytes(whole[:size])
    code, _, err = run(place, "./minimal.pex", "version", PEX_ROOT=f"{place}/root")
    assert code == 1
    assert "copy or download it again" in one_line(err)
