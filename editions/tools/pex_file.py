"""Adds files to a finished PEX without packing its wheels again.

A PEX unpacks itself once into a folder named after its hash, and the hash stands in four places: the shell header,
PEX-INFO and two modules. New content needs a new hash in all four, or an old unpacked copy would run in its place. Each
place must hold the hash exactly once; anything else means that pex has changed its format, and the build stops.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)
WITH_HASH = ("PEX-INFO", "__main__.py", "__pex__/__init__.py")
"""The members that name the file's hash."""


class PexFormatError(ValueError):
    """The PEX is not laid out as this module knows it."""


def add_files(pex: Path, files: Mapping[str, bytes], facts: bytes = b"") -> None:
    """Add ``files`` (path to content) to ``pex`` in place and give it a new hash.

    The hash follows from the files and from ``facts``: what will be added later, as far as it is known now.
    """
    with zipfile.ZipFile(pex) as archive:
        small = {name: archive.read(name) for name in WITH_HASH}
        taken = set(archive.namelist())
    clash = sorted(taken & files.keys())
    if clash:
        raise PexFormatError(f"the PEX of wheels already holds {clash[0]}")
    info = json.loads(small["PEX-INFO"])
    old = info["pex_hash"]
    code = _digest({**files, "": facts} if facts else files)
    new = hashlib.sha1(f"{old}{code}".encode(), usedforsecurity=False).hexdigest()
    small["PEX-INFO"] = json.dumps({**info, "code_hash": code}, sort_keys=True).encode()
    header = _replaced("the shell header", read_header(pex), old, new)
    replace(pex, header, {name: _replaced(name, content, old, new) for name, content in small.items()}, files)


def read_header(pex: Path) -> bytes:
    """Return the bytes in front of the archive."""
    with zipfile.ZipFile(pex) as archive, pex.open("rb") as file:
        return file.read(min(info.header_offset for info in archive.infolist()))


def replace(pex: Path, header: bytes, changed: Mapping[str, bytes], added: Mapping[str, bytes] | None = None) -> None:
    """Write ``pex`` again with another header and other members, by path; the rest is copied as it is."""
    old = len(read_header(pex))
    body = pex.read_bytes()[old:]
    pex.write_bytes(header + body)
    _rewrite(pex, changed, added or {})


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


def _rewrite(pex: Path, replaced: Mapping[str, bytes], added: Mapping[str, bytes]) -> None:
    """Append the entries; the old ones stay in the file as dead bytes, out of its directory."""
    with zipfile.ZipFile(pex, "a", zipfile.ZIP_DEFLATED) as archive:
        for name in replaced:
            archive.filelist.remove(archive.NameToInfo.pop(name))
        for name in _with_folders(added, set(archive.namelist())):
            archive.writestr(entry(name), added.get(name, b""))
        for name, content in sorted(replaced.items()):
            archive.writestr(entry(name), content)


def _with_folders(files: Mapping[str, bytes], taken: set[str]) -> list[str]:
    folders = {f"{parent.as_posix()}/" for name in files for parent in Path(name).parents if parent != Path()}
    return sorted(files.keys() | (folders - taken))


def entry(name: str) -> zipfile.ZipInfo:
    """Return how a member, or a folder, stands in the archive: without a trace of when and where it was written."""
    info = zipfile.ZipInfo(name, _EPOCH)
    folder = name.endswith("/")
    info.create_system = 3
    info.external_attr = (0o040755 << 16 | 0x10) if folder else (0o100644 << 16)
    info.compress_type = zipfile.ZIP_STORED if folder else zipfile.ZIP_DEFLATED
    return info
