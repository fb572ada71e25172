"""Adding files to a PEX: every place that knows the hash gets the new one, and nothing else changes."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from editions.tools.pex_file import PexDraft, PexFormatError, replace, with_interpreter
from editions.tools.sealed_pex import measured, sealed
from server.verification import seal

HASH = "0123456789abcdef0123456789abcdef01234567"


def make(path: Path, header: str = HASH, main: str = HASH) -> Path:
    path.write_bytes(f"#!/bin/sh\nexec {header}\n".encode())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(".deps/a.whl/a.py", "A = 1\n")
        archive.writestr("PEX-INFO", json.dumps({"pex_hash": HASH, "code_hash": "old"}))
        archive.writestr("__main__.py", f"hash = '{main}'\n")
        archive.writestr("__pex__/__init__.py", f"hash = '{HASH}'\n")
    return path


def add_files(path: Path, files: dict[str, bytes], facts: bytes = b"") -> PexDraft:
    """Add files to the PEX at ``path``; the draft is still open."""
    draft = PexDraft(path)
    draft.add_files(files, facts)
    return draft


def write(path: Path, files: dict[str, bytes], facts: bytes = b"") -> None:
    path.write_bytes(add_files(path, files, facts).close({}, b""))


def pex_hash(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return str(json.loads(archive.read("PEX-INFO"))["pex_hash"])


def test_hash_is_replaced_everywhere(tmp_path: Path) -> None:
    """Header, information and modules agree on the new hash; wheels stay as they are."""
    path = make(tmp_path / "a.pex")
    write(path, {"server/cli.py": b"X = 1\n"})
    new = pex_hash(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read(".deps/a.whl/a.py") == b"A = 1\n"
        assert archive.read("server/cli.py") == b"X = 1\n"
        assert len(archive.namelist()) == len(set(archive.namelist()))
        assert new.encode() in archive.read("__main__.py")
    assert path.read_bytes().startswith(f"#!/bin/sh\nexec {new}\n".encode())
    assert new != HASH


def test_content_decides_the_hash(tmp_path: Path) -> None:
    """Same files, same bytes, in whatever order they come; one changed byte, another hash."""
    first, again, other = (make(tmp_path / name) for name in ("first", "again", "other"))
    write(first, {"a/b.py": b"1", "c.py": b"2"})
    write(again, {"c.py": b"2", "a/b.py": b"1"})
    write(other, {"c.py": b"2", "a/b.py": b"3"})
    assert first.read_bytes() == again.read_bytes()
    assert pex_hash(first) != pex_hash(other)


@pytest.mark.parametrize("places", [{"header": "nothing"}, {"main": f"{HASH} {HASH}"}])
def test_changed_format_stops_the_build(tmp_path: Path, places: dict[str, str]) -> None:
    """A hash that stands nowhere or twice means that pex has changed; nothing is guessed."""
    with pytest.raises(PexFormatError, match="instead of once"):
        add_files(make(tmp_path / "a.pex", **places), {"a.py": b""})


def test_no_file_is_hidden(tmp_path: Path) -> None:
    """A source cannot take the place of a file of the layer below."""
    with pytest.raises(PexFormatError, match="already holds"):
        add_files(make(tmp_path / "a.pex"), {"__main__.py": b""})


def test_facts_decide_the_hash_too(tmp_path: Path) -> None:
    """Files that are sealed in later count by their facts: other facts, another name for the unpacked copy."""
    first, other = make(tmp_path / "first"), make(tmp_path / "other")
    write(first, {"a.py": b"1"}, b"facts")
    write(other, {"a.py": b"1"}, b"other facts")
    assert pex_hash(first) != pex_hash(other)


def test_measured(tmp_path: Path) -> None:
    """Known digests are taken as they are, but never those of members that were written anew."""
    path = make(tmp_path / "a.pex")
    draft = add_files(path, {"server/cli.py": b"X = 1\n"})
    found = measured(draft, {".deps/a.whl/a.py": "known", "PEX-INFO": "old"})
    assert found.members[".deps/a.whl/a.py"] == "known"
    assert found.members["PEX-INFO"] != "old"
    assert found.members["server/cli.py"] == hashlib.sha256(b"X = 1\n").hexdigest()
    path.write_bytes(sealed(draft, {}))
    with zipfile.ZipFile(path) as archive:
        members = {
            name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist() if name[-1] != "/"
        }
    assert members == {**found.members, ".deps/a.whl/a.py": hashlib.sha256(b"A = 1\n").hexdigest()}
    assert found.header == hashlib.sha256(path.read_bytes().partition(b"PK")[0]).hexdigest()


def test_sealed(tmp_path: Path) -> None:
    """The last files go in, and the seal over the whole file fits."""
    path = make(tmp_path / "a.pex")
    path.write_bytes(sealed(PexDraft(path), {"flovyn_edition/manifest.json": b"{}"}))
    with zipfile.ZipFile(path) as archive:
        assert archive.read("flovyn_edition/manifest.json") == b"{}"
    assert seal.problem(path.read_bytes()) is None


@pytest.mark.parametrize("builder", ["3", "3.11", "3.13"])
def test_the_target_names_the_interpreter(builder: str) -> None:
    """Whichever Python builds, ``__main__.py`` is the same."""
    main = f"#!/usr/bin/env python{builder}\n\nimport sys\n".encode()
    assert with_interpreter(main, "3.12") == b"#!/usr/bin/env python3.12\n\nimport sys\n"


def test_nothing_is_left_of_a_replaced_member(tmp_path: Path) -> None:
    """Two builders whose members differ get the same file, which holds all other members as they were."""
    files = [make(tmp_path / name, main=name) for name in ("3.9", "3.11 and more")]
    for file in files:
        replace(file, b"#!/bin/sh\n", {"__main__.py": b"import sys\n"})
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().startswith(b"#!/bin/sh\nPK")
    with zipfile.ZipFile(files[0]) as archive, zipfile.ZipFile(make(tmp_path / "old")) as old:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted(old.namelist())
        known = {name: old.read(name) for name in old.namelist()} | {"__main__.py": b"import sys\n"}
        assert {name: archive.read(name) for name in archive.namelist()} == known


def test_a_main_without_an_interpreter_is_refused() -> None:
    """Another pex may write it in another way."""
    with pytest.raises(PexFormatError, match="the pinned pex has changed"):
        with_interpreter(b"import sys\n", "3.12")
