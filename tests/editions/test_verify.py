"""``verify`` on built editions: every member, everything between, what lies beside, and what was unpacked."""

from __future__ import annotations

import importlib.util
import io
import json
import py_compile
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from editions.tools.pex_file import PexDraft
from editions.tools.sealed_pex import sealed
from server.verification import seal
from server.verification.archive import content_of, inspect, is_as_listed, opened, read_manifest
from tests.support.pex import pex, run

ENDINGS = (".pex", ".manifest.json", ".cdx.json", ".intoto.jsonl", ".SHA256SUMS")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PEX root in which full has been started once."""
    folder = str(tmp_path_factory.mktemp("root"))
    first = run("FULL_PEX", "verify", PEX_ROOT=folder)
    assert first.returncode == 0, first.stdout + first.stderr
    return folder


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """All files of full, in a folder that a test may change."""
    for ending in ENDINGS:
        shutil.copy(pex("FULL_PEX").with_suffix(ending), tmp_path)
    for path in tmp_path.iterdir():
        path.chmod(0o755)
    return tmp_path / "full.pex"


def lines(*arguments: str, root: str, status: int) -> list[str]:
    done = run("FULL_PEX", "verify", *arguments, PEX_ROOT=root)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_an_edition_verifies_itself(root: str) -> None:
    """A first start and a warm one both find the file, the files beside it and the unpacked copy whole, in one line."""
    (line,) = lines(root=root, status=0)
    assert "full.pex: whole (" in line
    assert "4 files beside it, 2 unpacked folders" in line


def test_json(root: str) -> None:
    """Programs read the same answer."""
    found: dict[str, Any] = json.loads("\n".join(lines("--json", root=root, status=0)))
    assert found["ok"] is True
    assert found["problems"] == []
    assert found["checked"]["members"] > 1000


def _spots(content: bytes) -> Iterator[tuple[str, int, int]]:
    """Each member with a byte in the middle of its data, and how many bytes of data there are."""
    archive = opened(content)
    for info in archive.infolist():
        start = info.header_offset + 30
        name, extra = (int.from_bytes(content[start + at : start + at + 2], "little") for at in (-4, -2))
        yield info.filename, start + name + extra + info.compress_size // 2, info.compress_size


def test_any_byte_of_any_member_is_found() -> None:
    """One flipped byte in any member at all breaks the seal; every member is tried."""
    content = bytearray(pex("MINIMAL_PEX").read_bytes())
    spots = list(_spots(bytes(content)))
    assert len(spots) > 1000
    unnoticed = []
    for name, offset, _ in spots:
        content[offset] ^= 0x10
        if seal.problem(content) is None:
            unnoticed.append(name)
        content[offset] ^= 0x10
    assert unnoticed == []
    assert seal.problem(content) is None


def test_the_member_that_was_hit_is_named() -> None:
    """A damaged member no longer counts as listed, unless what it unpacks to is still the same."""
    content = pex("MINIMAL_PEX").read_bytes()
    file = io.BytesIO(content)
    archive = opened(file)
    members = read_manifest(archive)["members"]
    spots = {name: offset for name, offset, size in _spots(content) if size and name in members}
    before = {name: content_of(archive, name) for name in spots}
    named = []
    for name, offset in spots.items():
        file.getbuffer()[offset] ^= 0xFF
        if is_as_listed(archive, name, members[name]):
            assert content_of(archive, name) == before[name]
        else:
            named.append(name)
        file.getbuffer()[offset] ^= 0xFF
    assert len(named) > 0.95 * len(spots)


@pytest.mark.parametrize("where", ["header", "between", "directory", "trailer", "digest"])
def test_a_byte_outside_of_members_is_found(where: str) -> None:
    """So is one in the shell header, a dead entry, the directory, the announcement of the seal, and the digest."""
    content = bytearray(pex("MINIMAL_PEX").read_bytes())
    archive = opened(bytes(content))
    first = min(info.header_offset for info in archive.infolist())
    offsets = {
        "header": first // 2,
        "between": first + 12,
        "directory": archive.start_dir + 14,
        "trailer": len(content) - 70,
        "digest": len(content) - 1,
    }
    content[offsets[where]] ^= 1
    found = inspect(bytes(content)).problems
    assert found
    assert any("shell header" in line for line in found) == (where == "header")


def test_an_added_member_is_found_after_a_new_seal(released: Path, root: str) -> None:
    """A change with a new seal is still found by the manifest, and by the checksums beside the file."""
    released.write_bytes(sealed(PexDraft(released), {"server/evil.py": b""}))
    found = lines(str(released), root=root, status=1)
    assert f"{released}: member server/evil.py: is not in the manifest" in found
    assert f"{released}: full.SHA256SUMS: lists another digest of full.pex" in found


@pytest.mark.parametrize("ending", ENDINGS[1:])
def test_a_changed_file_beside_is_found(released: Path, root: str, ending: str) -> None:
    """Manifest, SBOM, provenance and checksums are each compared with the file."""
    path = released.with_suffix(ending)
    text = path.read_text()
    path.write_text(text.replace("full.pex", "fuii.pex").replace('"version": "', '"version": "9'))
    assert path.read_text() != text
    assert any(f"{path.name}: " in line for line in lines(str(released), root=root, status=1))


def test_another_edition_is_verified(root: str) -> None:
    """One edition verifies the file of another, with the copies that it finds of that one."""
    (line,) = lines(str(pex("MINIMAL_PEX")), root=root, status=0)
    assert "minimal.pex: whole (" in line
    assert "0 unpacked folders" in line


def test_no_file(root: str) -> None:
    """A file that is not there is an error in one line, and no traceback."""
    done = run("FULL_PEX", "verify", "/no/such.pex", PEX_ROOT=root)
    assert done.returncode == 1
    assert done.stderr == "error: /no/such.pex cannot be read: No such file or directory; name an edition's file\n"


@pytest.fixture
def packages(root: str) -> Iterator[Path]:
    """The packages of the unpacked copy; restored afterwards."""
    (found,) = Path(root).glob("venvs/*/*/*/lib/python*/site-packages")
    yield found
    for path in (found / "sitecustomize.py", found / "falcon" / "_extra.so"):
        path.unlink(missing_ok=True)


def test_a_changed_source_of_the_copy_is_found(packages: Path, root: str) -> None:
    """The code that runs is compared, not only the file that it came from."""
    path = packages / "server" / "boot" / "startup.py"
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    found = lines(root=root, status=1)
    path.write_bytes(before)
    assert len(found) == 1
    assert found[0].endswith("site-packages/server/boot/startup.py: differs from the manifest")


def test_a_changed_wheel_of_the_copy_is_found(packages: Path, root: str) -> None:
    """Wheels lie behind links, shared by editions; they are compared in both folders that lead there."""
    path = packages / "falcon" / "__init__.py"
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    found = lines(root=root, status=1)
    path.write_bytes(before)
    assert len(found) == 2
    assert all(line.endswith("falcon/__init__.py: differs from the manifest") for line in found)


def test_added_files_of_the_copy_are_found(packages: Path, root: str) -> None:
    """A module that is imported at every start, and a library beside a wheel's own, are named."""
    (packages / "sitecustomize.py").write_text("")
    (packages / "falcon" / "_extra.so").write_bytes(b"")
    found = "\n".join(lines(root=root, status=1))
    assert "site-packages/sitecustomize.py: is not in the manifest" in found
    assert "falcon/_extra.so: is not in the manifest" in found


def test_a_changed_module_of_pex_is_found(packages: Path, root: str) -> None:
    """The module that PEX adds to a copy runs at every start, and must be PEX's own."""
    path = packages / "PEX_EXTRA_SYS_PATH.py"
    before = path.read_bytes()
    path.write_bytes(before + b"import os\n")
    found = lines(root=root, status=1)
    path.write_bytes(before)
    assert [line.rpartition("site-packages/")[2] for line in found] == ["PEX_EXTRA_SYS_PATH.py: is not what PEX writes"]


def test_a_missing_file_of_the_copy_is_found(packages: Path, root: str) -> None:
    """A file that is gone is missed."""
    path = packages / "server" / "storage" / "tasks.sql"
    before = path.read_bytes()
    path.unlink()
    found = lines(root=root, status=1)
    path.write_bytes(before)
    assert [line.rpartition("site-packages/")[2] for line in found] == ["server/storage/tasks.sql: is missing"]


def test_a_lying_compiled_module_is_found_when_asked_for(packages: Path, root: str) -> None:
    """A compiled module whose source is whole lies unseen, until modules are compiled again."""
    run("FULL_PEX", "version", PEX_ROOT=root)
    (path,) = (packages / "server" / "cli" / "__pycache__").glob("version.*.pyc")
    before = path.read_bytes()
    path.write_bytes(before.replace(b"flovyn-server", b"flovyn-sirver"))
    assert path.read_bytes() != before
    assert len(lines(root=root, status=0)) == 1
    found = lines("--bytecode", root=root, status=1)
    path.write_bytes(before)
    assert [line.rpartition(": ")[2] for line in found] == ["is not what its source compiles to; remove it"]
    assert len(lines("--bytecode", root=root, status=0)) == 1


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_compiled_module_of_any_level_is_compared(packages: Path, root: str, level: int) -> None:
    """Python runs those of the level that it was started with."""
    source = packages / "server" / "cli" / "version.py"
    path = Path(importlib.util.cache_from_source(str(source), optimization="" if level == 0 else level))
    before = path.read_bytes() if path.exists() else None
    py_compile.compile(str(packages / "server" / "cli" / "sbom.py"), cfile=str(path), optimize=level)
    found = lines("--bytecode", root=root, status=1)
    path.unlink() if before is None else path.write_bytes(before)
    assert [line.rpartition("/")[2] for line in found] == [
        f"{path.name}: is not what its source compiles to; remove it"
    ]


AROUND = ["pex", "PEX-INFO", "__main__.py", "pyvenv.cfg", "bin/gunicorn", "bin/sh", "falcon.py", "lib/evil.py"]


@pytest.mark.parametrize("name", AROUND)
def test_a_file_around_the_packages_is_found(packages: Path, root: str, name: str) -> None:
    """Every file of the environment that a start can run, or that decides what it runs."""
    path = packages.parents[2] / name
    target = path.readlink() if path.is_symlink() else None
    before = path.read_bytes() if path.exists() else b""
    existed = path.exists()
    path.unlink(missing_ok=True)
    path.write_bytes(before + b"\n# evil = 1\n")
    found = lines(root=root, status=1)
    path.unlink()
    if target is not None:
        path.symlink_to(target)
    elif existed:
        path.write_bytes(before)
        path.chmod(0o755)
    assert any(f"/{name}: " in line for line in found)
    assert len(lines(root=root, status=0)) == 1


def test_a_sealed_file_is_a_program_and_an_archive(released: Path) -> None:
    """The comment at the end disturbs neither Python nor what unpacks archives."""
    done = subprocess.run([str(released), "version"], check=True, capture_output=True, text=True)
    assert "edition full" in done.stdout
    assert opened(released.read_bytes()).testzip() is None
