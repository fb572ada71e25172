"""An edition that carries its interpreter, on a machine that has none: what the first start leaves to later ones."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from editions.tools.write_scie import HEADER_SIZE, write_scie
from tests.support.pex import Serving, pex, run
from tests.support.scie import MINOR, UNPACKING, Machine


@pytest.fixture(scope="module")
def interpreter() -> Path:
    """The archive of an interpreter."""
    return pex("INTERPRETER")


@pytest.fixture(scope="module")
def scie() -> Path:
    """The minimal edition with it."""
    return pex("MINIMAL_SCIE")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Without any start so far."""
    return Machine(tmp_path)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory, scie: Path) -> Iterator[Machine]:
    """After the first start."""
    machine = Machine(tmp_path_factory.mktemp("warm"))
    code, out, err = machine.start(scie, "version")
    assert (code, err) == (0, "")
    assert "minimal" in out
    yield machine
    shutil.rmtree(machine.home)


def flipped(scie: Path, offset: int, to: Path) -> Path:
    """A copy with one bit changed."""
    content = bytearray(scie.read_bytes())
    content[offset] ^= 1
    to.write_bytes(content)
    to.chmod(0o755)
    return to


def test_it_is_script_archive_and_edition(scie: Path, interpreter: Path, tmp_path: Path) -> None:
    """Nothing else, and the same bytes again."""
    parts = interpreter.read_bytes() + pex("MINIMAL_PEX").read_bytes()
    assert scie.read_bytes()[HEADER_SIZE:] == parts
    write_scie(pex("MINIMAL_PEX"), interpreter, MINOR, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == scie.read_bytes()


def test_the_first_start_unpacks_and_later_ones_look(warm: Machine, scie: Path) -> None:
    """Both lie under their digests; the second start has not even the programs to unpack with."""
    digests = {path.name for path in warm.kept()}
    assert hashlib.sha256(pex("MINIMAL_PEX").read_bytes()).hexdigest() in digests
    assert len(digests) == 2
    assert warm.left() == []
    for name in UNPACKING:
        (warm.path / name).rename(warm.path / f"no-{name}")
    try:
        code, out, err = warm.start(scie, "version")
    finally:
        for name in UNPACKING:
            (warm.path / f"no-{name}").rename(warm.path / name)
    assert (code, err) == (0, "")
    assert "minimal" in out


def test_the_private_interpreter_runs_it(warm: Machine) -> None:
    """Its environment was made of that, whatever else there may be, and lies below FLOVYN_HOME."""
    (python,) = warm.home.glob(f"pex/*/venvs/*/*/*/bin/python{MINOR}")
    assert warm.home / "interpreters" in python.resolve().parents


def test_another_interpreters_environment_is_not_taken(warm: Machine, scie: Path, tmp_path: Path) -> None:
    """One that the same PEX made elsewhere, and variables that choose an interpreter, change nothing."""
    run("MINIMAL_PEX", "version", PEX_ROOT=str(tmp_path / "root"))
    chosen = {"PEX_ROOT": str(tmp_path / "root"), "PEX_PYTHON": "/nonexistent", "PEX_PYTHON_PATH": "/nonexistent"}
    for folder in (tmp_path / "root").glob("venvs/*/*/*/bin"):
        (folder / "python").unlink()
        (folder / "python").symlink_to("/bin/false")
    done = subprocess.run([scie, "version"], env={**warm.environ, **chosen}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_it_verifies_itself(warm: Machine, scie: Path) -> None:
    """The unpacked edition and what PEX made of it."""
    code, out, err = warm.start(scie, "verify")
    assert code == 0, out + err


def test_two_starts_at_once(machine: Machine, scie: Path) -> None:
    """Each unpacks for itself, one of them gives the names, and both run."""
    both = [machine.begin(scie, "version") for _ in range(2)]
    ended = [(process.communicate(timeout=120), process.returncode) for process in both]
    assert [(err, code) for (_, err), code in ended] == [("", 0)] * 2
    assert machine.left() == []
    assert len(machine.kept()) == 2


@pytest.mark.parametrize(("number", "left"), [(signal.SIGTERM, 0), (signal.SIGKILL, 1)])
def test_a_kill_while_it_unpacks(machine: Machine, scie: Path, number: signal.Signals, left: int) -> None:
    """Nothing half-done bears a final name; TERM cleans up, and what KILL leaves is removed by a later first start."""
    fifo = machine.home.with_name("fifo")
    os.mkfifo(fifo)
    (machine.path / "tar").unlink()
    (machine.path / "tar").write_text(f'#!/bin/sh\n: >"$4/half-done"\n: >{fifo}\nexec cat >/dev/null <{fifo}\n')
    (machine.path / "tar").chmod(0o755)
    with machine.begin(scie, "version") as process:
        fifo.read_bytes()  # tar has come that far
        os.killpg(process.pid, number)
        process.communicate(timeout=60)
    assert process.returncode not in {0, None}
    assert machine.kept() == []
    assert len(machine.left()) == left
    (machine.path / "tar").unlink()
    (machine.path / "tar").symlink_to(str(shutil.which("tar")))
    for name in machine.left():
        os.utime(machine.home / name, (0, 0))
    code, _, err = machine.start(scie, "version")
    assert (code, err) == (0, "")
    assert machine.left() == []


def test_a_flipped_byte_is_noticed(machine: Machine, scie: Path, interpreter: Path, tmp_path: Path) -> None:
    """In the archive or in the edition: one line, and nothing under a final name that was made of it."""
    size = interpreter.stat().st_size
    file = flipped(scie, HEADER_SIZE + size // 2, tmp_path / "bad")
    code, out, err = machine.start(file, "version")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"bad: cannot unpack its interpreter into {machine.home}: ")
    assert f"{file} is damaged" in err
    assert (machine.kept(), machine.left()) == ([], [])
    code, _, err = machine.start(flipped(scie, HEADER_SIZE + size + 100_000, tmp_path / "worse"), "version")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith("worse: cannot unpack its edition into ")
    assert ([path.parent.name for path in machine.kept()], machine.left()) == (["interpreters"], [])
    assert machine.start(scie, "version")[0] == 0


@pytest.mark.parametrize("name", ["tar", "gzip", "mktemp"])
def test_a_missing_program_is_named(machine: Machine, scie: Path, name: str) -> None:
    """In one line, before anything is written."""
    (machine.path / name).unlink()
    assert machine.start(scie, "version") == (1, "", f"minimal: needs {name} on PATH to unpack its interpreter\n")
    assert not machine.home.exists()


def test_a_folder_that_cannot_be_written(machine: Machine, scie: Path) -> None:
    """One line that names the folder and the variable."""
    machine.home.write_text("a file")
    expected = f"minimal: cannot write into {machine.home}; set FLOVYN_HOME to a folder of this user\n"
    assert machine.start(scie, "version") == (1, "", expected)


def test_an_interpreter_for_another_machine(machine: Machine, tmp_path: Path) -> None:
    """An interpreter that does not run here is reported in one line and not kept."""
    (tmp_path / "python").write_bytes(b"\x7fELF")
    (tmp_path / "python").chmod(0o755)
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "python", f"python/bin/python{MINOR}")
    write_scie(pex("MINIMAL_PEX"), tmp_path / "other.tar.gz", MINOR, tmp_path / "other")
    assert machine.start(tmp_path / "other") == (1, "", "other: its interpreter does not run on this machine\n")
    assert (machine.kept(), machine.left()) == ([], [])


async def test_an_upgrade_runs_what_the_file_holds_now(
    empty_database: str, warm: Machine, scie: Path, interpreter: Path, tmp_path: Path
) -> None:
    """Another edition in the place of the file that carries it, not the PEX that runs: USR2 serves the new one."""
    file = tmp_path / "server"
    shutil.copy(scie, file)
    with Serving(file, empty_database, **warm.environ) as server:
        assert server.get("/_/health")[1]["edition"] == "minimal"
        write_scie(pex("FULL_PEX"), interpreter, MINOR, tmp_path / "new")
        (tmp_path / "new").replace(file)
        old = set(server.workers())
        server.process.send_signal(signal.SIGUSR2)
        await asyncio.to_thread(server.wait_for, "is serving", 2)
        (successor,) = set(server.workers()) - old
        server.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(server.process.wait, 15)
        try:
            assert server.get("/_/health")[1]["edition"] == "full"
        finally:
            os.kill(successor, signal.SIGTERM)
