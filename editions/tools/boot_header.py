"""The shell script in front of an edition, which finds the interpreter that runs it.

pex's own script takes whatever Python it finds, and a wrong one ends in a page of text. Its first part, the short way
into the unpacked copy, stays as it is; what looks for an interpreter is find_python.sh.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from editions.tools.pex_file import PexFormatError

_SEARCH = "\nfind_python() {\n"
_INSTALLED = re.compile(
    r'^INSTALLED_PEX="\$\{PEX_ROOT\}/venvs/\d+/[0-9a-f]{40}/(?P<contents>[0-9a-f]{40})"$', re.MULTILINE
)
_LEGACY = {"manylinux1": "manylinux_2_5", "manylinux2010": "manylinux_2_12", "manylinux2014": "manylinux_2_17"}
_PLATFORM = re.compile(r"(?P<kind>manylinux|macosx)_(?P<major>\d+)_(?P<minor>\d+)_")
_KINDS = {"manylinux": "glibc", "macosx": "macOS"}


def boot_header(header: str, platform: str, python: str, wheels: Iterable[str], contents: str) -> str:
    """Return pex's script with our search in the place of its own.

    Args:
        header: the script that pex wrote.
        platform: what the file runs on, such as ``linux-x86_64``.
        python: the CPython minor version that it runs on, such as ``3.11``.
        wheels: file names of its wheels, which tell how old a system may be.
        contents: the last folder of the unpacked copy's path.

    Raises:
        PexFormatError: the script is not laid out as this module knows it.
    """
    if header.count(_SEARCH) != 1 or len(_INSTALLED.findall(header)) != 1:
        raise PexFormatError("the shell header of the PEX has another form; the pinned pex has changed")
    fast = _INSTALLED.sub(lambda match: match[0].replace(match["contents"], contents), header.partition(_SEARCH)[0])
    needs = {"NEEDS_PYTHON": python, "NEEDS_PLATFORM": platform, "NEEDS_SYSTEM": oldest_system(wheels)}
    assignments = "".join(f"{name}='{value}'\n" for name, value in needs.items())
    return f"{fast}\n{assignments}{Path(__file__).with_name('find_python.sh').read_text('utf-8')}"


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
