"""The files of a site: read, named and compressed at the first request for one, so that a start does not wait."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable
from typing import Final

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_COMPRESSED: Final = (".css", ".js", ".json", ".svg", ".txt", ".webmanifest")
_LEFT_OUT: Final = (".html", ".py", ".pyc")


@dataclass(frozen=True)
class SiteFile:
    """One file.

    Attributes:
        content: its bytes.
        media_type: its type, for browsers.
        etag: a strong validator of the content as it is sent without compression.
    """

    content: bytes
    media_type: str
    etag: str
    is_compressible: bool

    @cached_property
    def compressed(self) -> bytes | None:
        """The content as gzip; None where that would not be smaller."""
        made = gzip.compress(self.content, 9, mtime=0) if self.is_compressible else self.content
        return made if len(made) < len(self.content) else None


class SiteFiles:
    """The files of one site that are not HTML, by their path in its folder."""

    def __init__(self, folder: Traversable) -> None:
        self._folder = folder
        self._reading = asyncio.Lock()
        self._files: dict[str, SiteFile] = {}
        self._version = ""

    async def version(self) -> str:
        """Return the digest of all names and contents: it is part of the addresses, so that none ever changes."""
        await self._read()
        return self._version

    async def get(self, name: str) -> SiteFile | None:
        """Return a file; None when there is none of this name."""
        return (await self._read()).get(name)

    async def html(self, name: str) -> str:
        """Return an HTML file."""
        return await asyncio.to_thread(self._folder.joinpath(name).read_text, "utf-8")

    async def _read(self) -> dict[str, SiteFile]:
        async with self._reading:
            if not self._version:
                self._files, self._version = await asyncio.to_thread(_all_files, self._folder)
            return self._files


def _all_files(folder: Traversable) -> tuple[dict[str, SiteFile], str]:
    digest, found = hashlib.sha256(), {}
    for name, content in sorted(_contents(folder, "")):
        digest.update(f"{len(name)} {len(content)} {name}".encode() + content)
        ending = name[name.rfind(".") :]
        media_type = TYPES.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        found[name] = SiteFile(content, media_type, etag, ending in _COMPRESSED)
        _ = found[name].compressed
    return found, digest.hexdigest()[:16]


def _contents(folder: Traversable, place: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _contents(entry, f"{place}{entry.name}/")
        elif not entry.name.endswith(_LEFT_OUT):
            yield place + entry.name, entry.read_bytes()
