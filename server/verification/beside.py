"""Verifies the files that the build writes beside an edition: manifest, SBOM, provenance and checksums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from server.verification.archive import MANIFEST, SBOM

SUMS = ".SHA256SUMS"
PROVENANCE = ".intoto.jsonl"
INSIDE = {".manifest.json": MANIFEST, ".cdx.json": SBOM}
"""Files that the edition contains as well: the member, by the ending that replaces ``.pex``."""


def files(pex: Path) -> list[Path]:
    """Return the files that exist; an edition works without them."""
    return [path for ending in (*INSIDE, PROVENANCE, SUMS) if (path := pex.with_suffix(ending)).is_file()]


def problems(pex: Path, content: bytes, documents: Mapping[str, bytes]) -> Iterator[str]:
    """Yield a line for each file that disagrees with the edition or with its checksum.

    Args:
        pex: the path of the edition's file.
        content: its content.
        documents: the manifest and the SBOM inside, by member.
    """
    digest = hashlib.sha256(content).hexdigest()
    for path in files(pex):
        ending = path.name.removeprefix(pex.stem)
        if ending in INSIDE and path.read_bytes() != documents.get(INSIDE[ending]):
            yield f"{path.name}: differs from {INSIDE[ending]} inside of {pex.name}"
        elif ending == PROVENANCE and subjects(path).get(pex.name) != digest:
            yield f"{path.name}: is not about this {pex.name}: it names another digest, or none"
        elif ending == SUMS:
            yield from _wrong_sums(path, pex.name, digest)


def subjects(path: Path) -> dict[str, str]:
    """Return the digests of the subjects of a provenance statement, by name; none when it is malformed."""
    try:
        statement = json.loads(path.read_bytes())
        return {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def _wrong_sums(sums: Path, name: str, digest: str) -> Iterator[str]:
    listed = dict(_lines(sums))
    if name not in listed:
        yield f"{sums.name}: does not list {name}"
    for other, expected in sorted(listed.items()):
        path = sums.parent / other
        if other == name and expected != digest:
            yield f"{sums.name}: lists another digest of {name}"
        elif other != name and path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            yield f"{path.name}: differs from its line in {sums.name}"


def _lines(sums: Path) -> Iterator[tuple[str, str]]:
    """Yield name and digest of each line of sha256sum; names of other folders are left out."""
    for line in sums.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        if name and Path(name).name == name:
            yield name, digest
