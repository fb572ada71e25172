"""Measures a finished PEX for its manifest, adds that, and seals the whole."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from editions.tools.pex_file import WITH_HASH, entry
from server.verification import archive as inspection
from server.verification import seal


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of a written PEX.

    Attributes:
        members: SHA-256 by member.
        sizes: compressed bytes by member.
        header: SHA-256 of the shell header.
    """

    members: Mapping[str, str]
    sizes: Mapping[str, int]
    header: str


def measured(pex: Path, known: Mapping[str, str]) -> Measured:
    """Return the measurements of ``pex``; ``known`` are digests of the layer of wheels, which is not read again."""
    with zipfile.ZipFile(pex) as archive:
        entries = [each for each in archive.infolist() if not each.is_dir()]
        digests = {
            each.filename: known[each.filename]
            if each.filename in known and each.filename not in WITH_HASH
            else hashlib.sha256(archive.read(each)).hexdigest()
            for each in entries
        }
        header = inspection.header(pex.read_bytes(), archive)
    sizes = {each.filename: each.compress_size for each in entries}
    return Measured(digests, sizes, hashlib.sha256(header).hexdigest())


def sealed(pex: Path, files: Mapping[str, bytes]) -> None:
    """Add the last files, which the hash does not depend on, and seal the whole."""
    with zipfile.ZipFile(pex, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(entry(name), content)
        archive.comment = seal.BLANK
    seal.seal(pex)
