"""The checks of an edition's file and of what lies beside it, on small made-up editions."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from editions.tools.pex_file import PexDraft
from editions.tools.sealed_pex import sealed
from server.cli.verify import verify
from server.verification import beside, seal
from server.verification.archive import MANIFEST, SBOM, Inspected, inspect
from tests.support.made_up import FILES, HASH, HEADER, make


@pytest.fixture
def pex(tmp_path: Path) -> Path:
    return make(tmp_path / "full.pex")


def reseal(path: Path) -> None:
    """Write a new seal, as an attacker who knows of it does."""
    content = bytearray(path.read_bytes())
    content[-len(seal.BLANK) :] = seal.BLANK
    seal.seal(content)
    path.write_bytes(content)


def test_a_whole_file_has_no_problem(pex: Path) -> None:
    """A file as built is accepted, and its documents are passed on."""
    found = inspect(pex.read_bytes())
    assert found.problems == []
    assert found.pex_hash == HASH
    assert found.documents[SBOM] == FILES[SBOM]


def test_every_single_byte_counts(pex: Path) -> None:
    """Each byte of the file, flipped alone in its lowest, its highest and all of its bits, breaks the seal."""
    content = bytearray(pex.read_bytes())
    unnoticed = []
    for offset in range(len(content)):
        for bits in (0x01, 0x80, 0xFF):
            content[offset] ^= bits
            if seal.problem(content) is None:
                unnoticed.append((offset, bits))
            content[offset] ^= bits
    assert unnoticed == []
    assert seal.problem(content) is None


def test_inspecting_damaged_bytes_never_fails(pex: Path) -> None:
    """Whatever byte is damaged, the answer is a list of problems and no exception."""
    content = bytearray(pex.read_bytes())
    for offset in range(len(content)):
        content[offset] ^= 0xFF
        assert inspect(bytes(content)).problems
        content[offset] ^= 0xFF


def test_a_file_that_is_cut_off(pex: Path) -> None:
    """A half-copied file is found, however short it is."""
    content = pex.read_bytes()
    assert not [size for size in range(len(content)) if not inspect(content[:size]).problems]


def changed(pex: Path, old: bytes, new: bytes) -> Inspected:
    content = pex.read_bytes()
    assert content.count(old) >= 1
    return inspect(content.replace(old, new))


def test_the_shell_header_is_named(pex: Path) -> None:
    """A change before the archive is told as one."""
    assert "shell header: differs from the manifest" in changed(pex, b"exec python", b"exec PYTHON").problems


def test_a_member_is_named(pex: Path) -> None:
    """A change of content is told with the member's name, and the others are not blamed."""
    found = changed(pex, FILES["server/cli.py"], b"X = 2\n" * 50).problems
    assert [line for line in found if line.startswith("member ")] == ["member server/cli.py: differs from the manifest"]


def test_bytes_that_are_no_members_content_are_told_as_such(pex: Path) -> None:
    """A change of a member's time, which changes nothing that runs, is found and not blamed on a member."""
    content = bytearray(pex.read_bytes())
    content[len(HEADER) + 10] ^= 1  # the time in the first member's own header
    assert inspect(bytes(content)).problems[1:] == [
        "every member is as it was; the difference lies in the directory, the trailer or between members"
    ]


def test_sealed_again_the_manifest_still_tells(pex: Path) -> None:
    """Members that were added, twice or changed before a new seal disagree with the manifest."""
    with zipfile.ZipFile(pex, "a") as archive:
        archive.writestr("evil.py", "")
    reseal(pex)
    assert inspect(pex.read_bytes()).problems == ["member evil.py: is not in the manifest"]
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(pex, "a") as archive:
        archive.writestr("server/cli.py", "X = 3\n")
    reseal(pex)
    assert "member server/cli.py: is there 2 times" in inspect(pex.read_bytes()).problems


def test_a_missing_member_is_named(pex: Path) -> None:
    """A member that is gone is missed, also after a new seal."""
    with zipfile.ZipFile(pex, "a") as archive:
        archive.filelist.remove(archive.NameToInfo.pop("server/cli.py"))
        archive.comment = seal.BLANK
    reseal(pex)
    assert inspect(pex.read_bytes()).problems == ["member server/cli.py: is missing"]


def test_another_schema_is_not_guessed_at(tmp_path: Path) -> None:
    """A manifest of a later server is refused with the advice to let that server verify itself."""
    assert "schema 2" in inspect(make(tmp_path / "a.pex", schema=2).read_bytes()).problems[0]


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"PK\x05\x06" + b"\0" * 18])
def test_files_that_are_no_edition(content: bytes) -> None:
    """Nothing, a script and an empty archive are told to be no editions."""
    assert len(inspect(content).problems) == 2


def test_a_hostile_manifest_is_no_surprise(pex: Path) -> None:
    """A manifest that is nested beyond all measure, or of other types, is told to be none."""
    for manifest in (b"[" * 100_000, b"[]", b'{"schema": 1, "members": [], "header_sha256": ""}', b"\xff"):
        other = pex.with_name("other.pex")
        other.write_bytes(HEADER)
        with zipfile.ZipFile(other, "a") as archive:
            archive.writestr("a.py", "")
        other.write_bytes(sealed(PexDraft(other), {MANIFEST: manifest}))
        assert inspect(other.read_bytes()).problems == [
            f"member {MANIFEST}: is no manifest, so no other member can be judged"
        ]


def test_names_of_an_archive_cannot_write_over_the_answer(pex: Path) -> None:
    """Line ends and control characters in names of members are spelled out."""
    with zipfile.ZipFile(pex, "a") as archive:
        archive.writestr("a\n\x1b[2Kok.py", "")
    reseal(pex)
    (line, _) = verify(pex, bytecode=False).as_text().split("\n")
    assert line == f"{pex}: member a\\n\\x1b[2Kok.py: is not in the manifest"


def test_checksums_name_files_of_their_folder_alone(pex: Path) -> None:
    """Lines that lead elsewhere, or nowhere, are not followed."""
    digest = hashlib.sha256(pex.read_bytes()).hexdigest()
    lines = [f"{digest}  full.pex", "0  ../full.pex", "0  .", "0  ..", "0  /etc/passwd", "0", ""]
    pex.with_suffix(".SHA256SUMS").write_text("\n".join(lines))
    assert wrong_beside(pex) == []


def test_commands_that_tell_about_an_edition_import_no_library() -> None:
    """manifest, sbom, licenses and verify answer at once: the standard library is all that they load."""
    code = (
        "import sys; before = set(sys.modules); import server.cli.licenses, server.cli.manifest, server.cli.sbom\n"
        "import server.cli.verify; more = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "sys.exit(', '.join(sorted(more - sys.stdlib_module_names - {'core', 'server'})) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def write_beside(pex: Path) -> None:
    documents = inspect(pex.read_bytes()).documents
    digest = hashlib.sha256(pex.read_bytes()).hexdigest()
    subject = {"name": pex.name, "digest": {"sha256": digest}}
    pex.with_suffix(".manifest.json").write_bytes(documents[MANIFEST])
    pex.with_suffix(".cdx.json").write_bytes(documents[SBOM])
    pex.with_suffix(".intoto.jsonl").write_text(json.dumps({"subject": [subject]}))
    others = [pex, *(pex.with_suffix(ending) for ending in (".manifest.json", ".cdx.json", ".intoto.jsonl"))]
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in others)
    pex.with_suffix(".SHA256SUMS").write_text(sums)


def wrong_beside(pex: Path) -> list[str]:
    content = pex.read_bytes()
    return list(beside.problems(pex, content, inspect(content).documents))


def test_files_beside_agree(pex: Path) -> None:
    """An edition without files beside it is as good as one with all of them."""
    assert wrong_beside(pex) == []
    write_beside(pex)
    assert wrong_beside(pex) == []
    assert len(beside.files(pex)) == 4


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (".manifest.json", "full.manifest.json: differs from flovyn_edition/manifest.json inside of full.pex"),
        (".cdx.json", "full.cdx.json: differs from flovyn_edition/sbom.cdx.json inside of full.pex"),
        (".intoto.jsonl", "full.intoto.jsonl: is not about this full.pex: it names another digest, or none"),
        (".SHA256SUMS", "full.SHA256SUMS: does not list full.pex"),
    ],
)
def test_a_changed_file_beside_is_named(pex: Path, ending: str, expected: str) -> None:
    """Each file beside is judged by what lies inside, also when the checksums were made to fit."""
    write_beside(pex)
    pex.with_suffix(ending).write_text("{}")
    assert expected in wrong_beside(pex)
    pex.with_suffix(".SHA256SUMS").unlink()
    assert (expected in wrong_beside(pex)) == (ending != ".SHA256SUMS")
