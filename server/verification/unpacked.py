"""Checks the copies that an edition has unpacked itself into: what really runs.

PEX unpacks a file once below its root: wheels and sources into folders that several editions may share, a folder that
mirrors the archive, and a virtual environment that links to them. Both of the latter are compared with the manifest,
through their links. Modules that PEX adds must be, word for word, those that its own program in the file holds; what it
makes around the packages is checked by ``server.verification.environment``. Not covered, because no build knows them:
``RECORD`` files, and the interpreter itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from server.verification import environment
from server.verification.archive import INSTALLER, MANIFEST
from server.verification.environment import Origin

_HASH = re.compile(r"[0-9a-f]{40}")
_OF_PEX = re.compile(r"PEX_EXTRA_SYS_PATH\.(py|pth)|[^/]+\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)")
"""What PEX writes into an environment besides the members."""

_MODULES_OF_PEX = ("PEX_EXTRA_SYS_PATH.py", "PEX_EXTRA_SYS_PATH.pth")
_INDENT = " " * 16
"""How deep PEX's program holds the text of a module."""

_LAYOUT = "PEX-LAYOUT"
_MIRROR_OF_PEX = re.compile(rf"{_LAYOUT}|\.last-access")
_PEX_OWN = (".bootstrap/", "__pex__/")


@dataclass(frozen=True, slots=True)
class Copy:
    """One unpacked copy.

    Attributes:
        folder: what is compared.
        expected: digests by path in the folder.
        generated: matches what PEX adds.
    """

    folder: Path
    expected: Mapping[str, str]
    generated: re.Pattern[str]

    @property
    def environment(self) -> Path | None:
        """The environment whose packages these are; None for a mirror."""
        return self.folder.parents[2] if self.generated is _OF_PEX else None


def root_of(prefix: Path) -> Path | None:
    """Return PEX's root, given the running environment's ``sys.prefix``; None when it is not one of PEX's."""
    real = prefix.resolve()
    return next((parent.parent for parent in real.parents if parent.name == "venvs"), None)


def copies(root: Path, pex_hash: str, members: Mapping[str, str], manifest: bytes) -> list[Copy]:
    """Return the copies of a file that are there.

    Args:
        root: PEX's root.
        pex_hash: the file's, out of its PEX-INFO.
        members: digests by member.
        manifest: content of the manifest, which is unpacked like the members that it lists.
    """
    if not _HASH.fullmatch(pex_hash):
        return []
    members = {**members, MANIFEST: hashlib.sha256(manifest).hexdigest()}
    environments = sorted(root.glob(f"venvs/*/{pex_hash}/*/lib/python*/site-packages"))
    mirrors = sorted(root.glob(f"unzipped_pexes/*/{pex_hash}"))
    return [
        *(Copy(path, in_environment(members), _OF_PEX) for path in environments if ".lck" not in path.parts[-4]),
        *(Copy(path, in_mirror(members), _MIRROR_OF_PEX) for path in mirrors),
    ]


def in_environment(members: Mapping[str, str]) -> dict[str, str]:
    """Return what an environment's ``site-packages`` holds: the sources, and the wheels side by side."""
    found = {}
    for name, digest in members.items():
        inner = name.split("/", 2)[2] if name.startswith(".deps/") else name
        beside = name.startswith(_PEX_OWN) or "/" not in name
        if not (beside or inner == ".layout.json" or inner.startswith(".prefix/") or _OF_PEX.fullmatch(inner)):
            found[inner] = digest
    return found


def in_mirror(members: Mapping[str, str]) -> dict[str, str]:
    """Return what the mirror of the archive holds."""
    return {name: digest for name, digest in members.items() if not name.startswith("__pex__/")}


def problems(found: list[Copy], origin: Origin) -> Iterator[str]:
    """Yield a line for each file of the copies that is changed, missing or added."""
    digest = _remembering()
    installer = origin.text(INSTALLER)
    for copy in found:
        there = dict(files(copy.folder))
        for name in sorted(there.keys() | copy.expected.keys()):
            if name not in there:
                yield f"{copy.folder / name}: is missing"
            elif name not in copy.expected:
                if not copy.generated.fullmatch(name):
                    yield f"{there[name]}: is not in the manifest"
                elif not _is_as_generated(name, there[name], installer):
                    yield f"{there[name]}: is not what PEX writes"
            elif digest(there[name]) != copy.expected[name]:
                yield f"{there[name]}: differs from the manifest"
        if copy.environment is not None:
            yield from environment.problems(copy.environment, origin)


def _is_as_generated(name: str, path: str, installer: str) -> bool:
    if name == _LAYOUT:
        return Path(path).read_bytes() == b"zipapp"
    return name not in _MODULES_OF_PEX or _is_of_pex(path, installer)


def files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the files below a folder, through links, as path in the folder and path; compiled modules are left out."""
    start = len(f"{folder}/")
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from ((f"{parent}/{name}"[start:], f"{parent}/{name}") for name in names)


def _remembering() -> Callable[[str], str]:
    """A digest of files that reads none twice: copies link to the same ones."""
    known: dict[tuple[int, int], str] = {}

    def digest(path: str) -> str:
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - thousands of Path objects cost more than reading
                state = os.fstat(file.fileno())
                key = (state.st_dev, state.st_ino)
                if key not in known:
                    known[key] = hashlib.sha256(file.read()).hexdigest()
        except OSError:
            return ""
        return known[key]

    return digest


def _is_of_pex(path: str, installer: str) -> bool:
    """Whether a module is one of the texts in PEX's program: an indented block, or a line in quotes."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    block = f'"""\\\n{textwrap.indent(text, _INDENT)}{_INDENT}"""'
    return block in installer or f"{_INDENT}{json.dumps(text.rstrip())},\n" in installer
