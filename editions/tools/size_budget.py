"""Holds an edition to its size budget and shows what takes the room.

A dependency's growth is noticed when it happens, with the name of who grew.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

MIB = 1024 * 1024
_SHOWN = 10


def over_budget(pex: Path, max_mb: float) -> str | None:
    """Return the error when ``pex`` is larger than ``max_mb`` MiB, or None; 0 is no limit."""
    size = pex.stat().st_size
    if not max_mb or size <= max_mb * MIB:
        return None
    rows = [f"  {share / MIB:8.2f} MiB  {name}" for name, share in contributors(pex).most_common(_SHOWN)]
    lead = (
        f"has {size / MIB:.2f} MiB, its budget is {max_mb:g} MiB."
        " Drop what it does not need, or raise max_size_mb. Largest parts:"
    )
    return "\n".join([lead, *rows])


def contributors(pex: Path) -> Counter[str]:
    """Return the compressed bytes of each wheel and of each folder of sources."""
    sizes: Counter[str] = Counter()
    with zipfile.ZipFile(pex) as archive:
        for info in archive.infolist():
            sizes[_part(info.filename)] += info.compress_size
    return sizes


def _part(name: str) -> str:
    """The wheel or the folder that a file of the PEX belongs to; two levels for plugins, so that each stands alone."""
    parts = name.split("/")
    depth = 2 if parts[0] in {".deps", "plugins"} else 1
    return "/".join(parts[:depth]).removeprefix(".deps/")
