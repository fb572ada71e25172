"""Measures a finished PEX for its manifest, adds that, and seals the whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from editions.tools.pex_file import PexDraft
from server.verification import seal


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of a PEX.

    Attributes:
        members: SHA-256 by member.
        sizes: compressed bytes by member.
        header: SHA-256 of the shell header.
    """

    members: Mapping[str, str]
    sizes: Mapping[str, int]
    header: str


def measured(draft: PexDraft, known: Mapping[str, str]) -> Measured:
    """Return the measurements of ``draft``; ``known`` are digests of the layer of wheels, which is not read again."""
    entries = [each for each in draft.archive.infolist() if not each.is_dir()]
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in draft.written.items()}
    for name in (each.filename for each in entries):
        if name not in digests:
            digests[name] = known[name] if name in known else hashlib.sha256(draft.archive.read(name)).hexdigest()
    sizes = {each.filename: each.compress_size for each in entries}
    return Measured(digests, sizes, hashlib.sha256(draft.header()).hexdigest())


def sealed(draft: PexDraft, files: Mapping[str, bytes]) -> bytearray:
    """Add the last files, which the hash does not depend on, and return the whole file with its seal."""
    content = draft.close(files, seal.BLANK)
    seal.seal(content)
    return content
