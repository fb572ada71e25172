"""Unpacks wheels for tools and tests: ``<wheel>/site-packages`` and ``<wheel>/bin``, with compiled modules.

Sandboxed programs cannot write bytecode; without it each of them would compile what it imports on every start.
"""

from __future__ import annotations

import compileall
import py_compile
import re
import stat
import zipfile
from pathlib import Path

_DATA = re.compile(r"[^/]+\.data/(?P<scheme>[^/]+)/(?P<rest>.+)")
_FOLDERS = {"purelib": "site-packages", "platlib": "site-packages", "scripts": "bin"}


def unpack(wheel: Path, to: Path) -> None:
    """Unpack ``wheel`` below ``to`` and compile its modules."""
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            place = _place(info.filename)
            if place is not None and not info.is_dir():
                _write(archive, info, to / place)
    compileall.compile_dir(
        to / "site-packages",
        quiet=2,
        ddir="site-packages",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def _place(name: str) -> str | None:
    """Where a wheel's file goes, or None for data that nothing here uses.

    Raises:
        ValueError: the name points out of the wheel.
    """
    if name.startswith("/") or ".." in name.split("/"):
        raise ValueError(f"a wheel holds the file {name!r}, which points outside of it")
    match = _DATA.fullmatch(name)
    if match is None:
        return f"site-packages/{name}"
    folder = _FOLDERS.get(match["scheme"])
    return f"{folder}/{match['rest']}" if folder else None


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(archive.read(info))
    if to.parent.name == "bin" or (info.external_attr >> 16) & stat.S_IXUSR:
        to.chmod(0o755)
