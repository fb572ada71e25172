"""Adds files to a finished PEX without packing its wheels again.

A PEX unpacks itself once into a folder named after its hash, and the hash stands in four places: the shell header,
PEX-INFO and two modules. New content needs a new hash in all four, or an old unpacked copy would run in its place. Each
place must hold the hash exactly once; anything else means that pex has changed its format, and the build stops.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)
WITH_HASH = ("PEX-INFO", "__main__.py", "__pex__/__init__.py")
"""The members that name the file's hash."""

_INTERPRETER = b"#!/usr/bin/env python"


class PexFormatError(ValueError):
    """The PEX is not laid out as this module knows it."""


class PexDraft:
    """A PEX that is changed in memory, so that its long directory is read once and written once.

    Attributes:
        archive: the archive, open for more members.
        written: content of the members that were written here, by name.
    """

    def __init__(self, pex: Path) -> None:
        self._buffer = io.BytesIO(pex.read_bytes())
        self.archive = zipfile.ZipFile(self._buffer, "a", zipfile.ZIP_DEFLATED)
        self.written: dict[str, bytes] = {}

    def add_files(self, files: Mapping[str, bytes], facts: bytes = b"") -> None:
        """Add ``files`` (path to content) and give the PEX a new hash.

        The hash follows from the files and from ``facts``: what will be added later, as far as it is known now.
        """
        small = {name: self.archive.read(name) for name in WITH_HASH}
        clash = sorted(self.archive.NameToInfo.keys() & files.keys())
        if clash:
            raise PexFormatError(f"the PEX of wheels already holds {clash[0]}")
        info = json.loads(small["PEX-INFO"])
        old = info["pex_hash"]
        code = _digest({**files, "": facts} if facts else files)
        new = hashlib.sha1(f"{old}{code}".encode(), usedforsecurity=False).hexdigest()
        small["PEX-INFO"] = json.dumps({**info, "code_hash": code}, sort_keys=True).encode()
        header = _replaced("the shell header", self.header(), old, new)
        small = {name: _replaced(name, content, old, new) for name, content in small.items()}
        self._buffer.seek(0)
        self._buffer.write(header)
        _rewrite(self.archive, small, files)
        self.written.update(files, **small)

    def header(self) -> bytes:
        """Return the bytes in front of the archive."""
        return bytes(self._buffer.getbuffer()[: _header_size(self.archive)])

    def close(self, last: Mapping[str, bytes], comment: bytes) -> bytearray:
        """Add the last files, which the hash does not depend on, and return the whole file; the comment ends it."""
        for name, content in sorted(last.items()):
            self.archive.writestr(entry(name), content)
        self.archive.comment = comment
        self.archive.close()
        return bytearray(self._buffer.getbuffer())


def read_header(pex: Path) -> bytes:
    """Return the bytes in front of the archive."""
    with zipfile.ZipFile(pex) as archive, pex.open("rb") as file:
        return file.read(_header_size(archive))


def replace(pex: Path, header: bytes, changed: Mapping[str, bytes]) -> None:
    """Write ``pex`` again with another header and other members, by path; the rest is copied as it is.

    Nothing of the old members is left in the file: they may name the builder's Python.
    """
    content = pex.read_bytes()
    with zipfile.ZipFile(pex) as archive:
        members = sorted(archive.infolist(), key=lambda info: info.header_offset)
        ends = [*(info.header_offset for info in members[1:]), archive.start_dir]
    buffer = io.BytesIO()
    buffer.write(header)
    kept = []
    for info, end in zip(members, ends, strict=True):
        if info.filename not in changed:
            start = buffer.tell()
            buffer.write(content[info.header_offset : end])
            info.header_offset = start
            kept.append(info)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:  # begins behind what is written
        archive.filelist.extend(kept)
        archive.NameToInfo.update((info.filename, info) for info in kept)
        for name, text in sorted(changed.items()):
            archive.writestr(entry(name), text)
    pex.write_bytes(buffer.getbuffer())


def with_interpreter(main: bytes, python: str) -> bytes:
    """Return ``__main__.py`` with a first line that names the Python of the target; pex writes the builder's version.

    Raises:
        PexFormatError: it has no such line.
    """
    start, end, rest = main.partition(b"\n")
    if not start.startswith(_INTERPRETER):
        raise PexFormatError("__main__.py of the PEX does not begin with an interpreter; the pinned pex has changed")
    return _INTERPRETER + python.encode() + end + rest


def _header_size(archive: zipfile.ZipFile) -> int:
    return min(info.header_offset for info in archive.infolist())


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


def _rewrite(archive: zipfile.ZipFile, replaced: Mapping[str, bytes], added: Mapping[str, bytes]) -> None:
    """Append the entries; the old ones stay in the file as dead bytes, out of its directory."""
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
