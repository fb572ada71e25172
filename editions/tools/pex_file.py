"""Adds files to a finished PEX without packing its wheels again, measures it, and seals it.

A PEX unpacks itself once into a folder named after its hash, and the hash stands in four places: the shell header,
PEX-INFO and two modules. New content needs a new hash in all four, or an old unpacked copy would run in its place. Each
place must hold the hash exactly once; anything else means that pex has changed its format, and the build stops.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.inspection import archive as inspection
from server.inspection import seal

_EPOCH = (1980, 1, 1, 0, 0, 0)
_WITH_HASH = ("PEX-INFO", "__main__.py", "__pex__/__init__.py")


class PexFormatError(ValueError):
    """The PEX is not laid out as this module knows it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a written PEX holds.

    Attributes:
        members: SHA-256 by member.
        sizes: compressed bytes by member.
        header: SHA-256 of the shell header.
    """

    members: Mapping[str, str]
    sizes: Mapping[str, int]
    header: str


def add_files(pex: Path, files: Mapping[str, bytes], facts: bytes = b"") -> None:
    """Add ``files`` (path to content) to ``pex`` in place and give it a new hash.

    The hash follows from the files and from ``facts``: what ``sealed`` will add, as far as it is known now.
    """
    with zipfile.ZipFile(pex) as archive:
        small = {name: archive.read(name) for name in _WITH_HASH}
        header_size = min(info.header_offset for info in archive.infolist())
        taken = set(archive.namelist())
    clash = sorted(taken & files.keys())
    if clash:
        raise PexFormatError(f"the PEX of wheels already holds {clash[0]}")
    info = json.loads(small["PEX-INFO"])
    old = info["pex_hash"]
    code = _digest({**files, inspection.MANIFEST: facts} if facts else files)
    new = hashlib.sha1(f"{old}{code}".encode(), usedforsecurity=False).hexdigest()
    small["PEX-INFO"] = json.dumps({**info, "code_hash": code}, sort_keys=True).encode()
    _replace_in_header(pex, header_size, old, new)
    _rewrite(pex, {name: _replaced(name, content, old, new) for name, content in small.items()}, files)


def measured(pex: Path, known: Mapping[str, str]) -> Measured:
    """Return what ``pex`` holds; ``known`` are digests of the layer of wheels, whose members are not read again."""
    with zipfile.ZipFile(pex) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        digests = {
            entry.filename: known[entry.filename]
            if entry.filename in known and entry.filename not in _WITH_HASH
            else hashlib.sha256(archive.read(entry)).hexdigest()
            for entry in entries
        }
        header = inspection.header(pex.read_bytes(), archive)
    sizes = {entry.filename: entry.compress_size for entry in entries}
    return Measured(digests, sizes, hashlib.sha256(header).hexdigest())


def sealed(pex: Path, files: Mapping[str, bytes]) -> None:
    """Add the last files, which the hash does not depend on, and seal the whole."""
    with zipfile.ZipFile(pex, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(_entry(name), content)
        archive.comment = seal.BLANK
    seal.seal(pex)


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return digest.hexdigest()


def _replaced(where: str, content: bytes, old: str, new: str) -> bytes:
    count = content.count(old.encode())
    if count != 1:
        raise PexFormatError(
            f"{where} of the PEX holds its hash {count} times instead of once; the pinned pex has changed"
        )
    return content.replace(old.encode(), new.encode())


def _replace_in_header(pex: Path, size: int, old: str, new: str) -> None:
    with pex.open("r+b") as file:
        header = _replaced("the shell header", file.read(size), old, new)
        file.seek(0)
        file.write(header)


def _rewrite(pex: Path, replaced: Mapping[str, bytes], added: Mapping[str, bytes]) -> None:
    """Append the entries; the old ones stay in the file as dead bytes, out of its directory."""
    with zipfile.ZipFile(pex, "a", zipfile.ZIP_DEFLATED) as archive:
        for name in replaced:
            archive.filelist.remove(archive.NameToInfo.pop(name))
        for name in _with_folders(added, set(archive.namelist())):
            archive.writestr(_entry(name), added.get(name, b""))
        for name, content in sorted(replaced.items()):
            archive.writestr(_entry(name), content)


def _with_folders(files: Mapping[str, bytes], taken: set[str]) -> list[str]:
    folders = {f"{parent.as_posix()}/" for name in files for parent in Path(name).parents if parent != Path()}
    return sorted(files.keys() | (folders - taken))


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    folder = name.endswith("/")
    info.create_system = 3
    info.external_attr = (0o040755 << 16 | 0x10) if folder else (0o100644 << 16)
    info.compress_type = zipfile.ZIP_STORED if folder else zipfile.ZIP_DEFLATED
    return info
