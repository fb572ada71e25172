"""The shell script in front of an edition: start.sh, with the values of the edition before it.

It takes the place of pex's own script, which takes any Python that it finds, keeps a copy whose Python is gone, and
lets a read-only folder or a full disk end in a page of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from editions.tools.pex_file import PexFormatError

_UNPACKED = re.compile(r'^INSTALLED_PEX="\$\{PEX_ROOT\}/(venvs/\d+/[0-9a-f]{40})/[0-9a-f]{40}"$', re.MULTILINE)
_LEGACY = {"manylinux1": "manylinux_2_5", "manylinux2010": "manylinux_2_12", "manylinux2014": "manylinux_2_17"}
_PLATFORM = re.compile(r"(?P<kind>manylinux|macosx)_(?P<major>\d+)_(?P<minor>\d+)_")
_KINDS = {"manylinux": "glibc", "macosx": "macOS"}


def boot_header(header: str, platform: str, python: str, wheels: Iterable[str], *, contents: str, kib: int) -> str:
    """Return our script in the place of pex's.

    Args:
        header: the script that pex wrote.
        platform: what the file runs on, such as ``linux-x86_64``.
        python: the CPython minor version that it runs on, such as ``3.11``.
        wheels: file names of its wheels, which tell how old a system may be.
        contents: the last folder of the unpacked copy's path.
        kib: the room that the unpacked copy takes, in KiB.

    Raises:
        PexFormatError: pex's script does not say in the known form where the copy is.
    """
    found = _UNPACKED.findall(header)
    if len(found) != 1:
        raise PexFormatError("the shell header of the PEX has another form; the pinned pex has changed")
    values = {
        "UNPACKED": f"{found[0]}/{contents}",
        "NEEDS_PYTHON": python,
        "NEEDS_PLATFORM": platform,
        "NEEDS_SYSTEM": oldest_system(wheels),
        "NEEDS_KIB": str(kib),
    }
    assignments = "".join(f"{name}='{value}'\n" for name, value in values.items())
    return f"#!/bin/sh\n{assignments}{Path(__file__).with_name('start.sh').read_text('utf-8')}"


def oldest_system(wheels: Iterable[str]) -> str:
    """Return the oldest system that all wheels run on, such as ``glibc 2.28`` or ``macOS 11.0``; '' for any."""
    floors = [min(found) for found in map(_systems, wheels) if found]
    if not floors:
        return ""
    kind, version = max(floors)
    return f"{kind} {version[0]}.{version[1]}"


def _systems(wheel: str) -> list[tuple[str, tuple[int, int]]]:
    """The systems that a wheel's platform tags name."""
    tags = (tag.partition("_") for tag in wheel.removesuffix(".whl").rpartition("-")[2].split("."))
    named = [_LEGACY.get(kind, kind) + "_" + rest for kind, _, rest in tags]
    matches = filter(None, map(_PLATFORM.match, named))
    return [(_KINDS[match["kind"]], (int(match["major"]), int(match["minor"]))) for match in matches]
