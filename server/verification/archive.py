"""Verifies the content of an edition's file by its seal and, member by member, by the manifest inside."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.verification import seal

MANIFEST = "flovyn_edition/manifest.json"
SBOM = "flovyn_edition/sbom.cdx.json"
ABOUT = "PEX-INFO"
BOOT = ".bootstrap/pex/venv/venv_pex.py"
"""The member that PEX copies into ``__main__.py`` of an environment."""

INSTALLER = ".bootstrap/pex/venv/installer.py"
"""The program of PEX that creates environments; it contains the texts of the modules that it adds to them."""

_DOCUMENTS = (MANIFEST, SBOM, ABOUT, BOOT, INSTALLER)

SCHEMA = 1
"""The version of the manifest's form."""


class NotReadable(ValueError):
    """The archive or its manifest cannot be read, for the reason in the text."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """The result of the verification of a file.

    Attributes:
        problems: one line for each problem; none when the file is intact.
        manifest: the manifest inside; empty when it cannot be read.
        documents: the content of the manifest, the SBOM, PEX-INFO and the programs of PEX, by member.
        pex_hash: the hash that names the unpacked copies of the file; empty when it cannot be read.
    """

    problems: list[str]
    manifest: Mapping[str, Any] = field(default_factory=dict)
    documents: Mapping[str, bytes] = field(default_factory=dict)
    pex_hash: str = ""


def inspect(content: bytes) -> Inspected:
    """Verify a file: the seal first, then each member by the manifest, so that a difference has a name."""
    broken = seal.problem(content)
    problems = [broken] if broken else []
    try:
        archive = opened(content)
        manifest = read_manifest(archive)
    except NotReadable as error:
        return Inspected([*problems, str(error)])
    found = [*member_problems(archive, manifest["members"]), *header_problems(content, archive, manifest)]
    if broken and not found:
        found = ["every member is as it was; the difference lies in the directory, the trailer or between members"]
    documents = {name: read for name in _DOCUMENTS if (read := content_of(archive, name)) is not None}
    return Inspected([*problems, *found], manifest, documents, _pex_hash(archive))


def opened(content: bytes | io.BytesIO) -> zipfile.ZipFile:
    """Open the archive.

    Raises:
        NotReadable: its directory is damaged.
    """
    try:
        return zipfile.ZipFile(io.BytesIO(content) if isinstance(content, bytes) else content)
    except Exception as error:  # noqa: BLE001 - damaged bytes make zipfile raise any error
        raise NotReadable(f"cannot be read as an archive: {error}") from None


def read_manifest(archive: zipfile.ZipFile) -> Mapping[str, Any]:
    """Return the manifest inside.

    Raises:
        NotReadable: it is missing, damaged, or of another schema.
    """
    content = content_of(archive, MANIFEST)
    if content is None:
        raise NotReadable(f"member {MANIFEST}: is missing or damaged, so no other member can be judged")
    try:
        manifest = json.loads(content)
        schema, members, header = manifest["schema"], manifest["members"], manifest["header_sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NotReadable(f"member {MANIFEST}: is no manifest, so no other member can be judged") from None
    if schema != SCHEMA:
        raise NotReadable(f"has a manifest of schema {schema}, this program reads {SCHEMA}: let the file verify itself")
    if not isinstance(members, dict) or not isinstance(header, str):
        raise NotReadable(f"member {MANIFEST}: is no manifest, so no other member can be judged")
    found: Mapping[str, Any] = manifest
    return found


def member_problems(archive: zipfile.ZipFile, members: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each member that is changed, missing, added or repeated."""
    counts = Counter(info.filename for info in archive.infolist() if not info.is_dir())
    for name in sorted(counts.keys() | members.keys() | {MANIFEST}):
        if counts[name] > 1:
            yield f"member {name}: is there {counts[name]} times"
        elif name not in counts:
            yield f"member {name}: is missing"
        elif name not in members and name != MANIFEST:
            yield f"member {name}: is not in the manifest"
        elif name in members and not is_as_listed(archive, name, members[name]):
            yield f"member {name}: differs from the manifest"


def is_as_listed(archive: zipfile.ZipFile, name: str, digest: str) -> bool:
    """Return whether the content of a member has the digest."""
    content = content_of(archive, name)
    return content is not None and hashlib.sha256(content).hexdigest() == digest


def content_of(archive: zipfile.ZipFile, name: str) -> bytes | None:
    """Return the content of a member; None when it is missing or damaged."""
    try:
        return archive.read(name)
    except Exception:  # noqa: BLE001 - damaged bytes make zipfile raise any error
        return None


def header(content: bytes | bytearray, archive: zipfile.ZipFile) -> bytes:
    """Return the bytes before the first member: the shell script that finds a Python."""
    return bytes(content[: min((info.header_offset for info in archive.infolist()), default=0)])


def header_problems(content: bytes, archive: zipfile.ZipFile, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line when the shell header differs from the manifest."""
    if hashlib.sha256(header(content, archive)).hexdigest() != manifest["header_sha256"]:
        yield "shell header: differs from the manifest"


def _pex_hash(archive: zipfile.ZipFile) -> str:
    try:
        return str(json.loads(content_of(archive, ABOUT) or b"{}")["pex_hash"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
