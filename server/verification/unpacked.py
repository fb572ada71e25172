"""Verifies the unpacked copies of an edition, which are what Python really runs.

PEX unpacks a file once below its root: wheels and sources into folders that several editions may share, a mirror of the
archive, and a virtual environment that links to the folders. The mirror and the environment are compared with the
manifest, through their links. A module that PEX adds must equal its text in the program of PEX in the file. The files
around the packages are verified by ``server.verification.environment``. ``RECORD`` files and the interpreter itself are
not covered, because the build does not know them.
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
_NAMESPACES = "pex-ns-pkgs.pth"
_NAMESPACE = re.compile(r"pex-ns-pkgs/[0-9]+")
_NAMESPACE_PREFIX = re.compile(r"\Apex-ns-pkgs/[0-9]+/")
"""A folder for a wheel with packages in a namespace of another wheel. PEX gives each further one such a folder,
and lists them in a file that Python reads at its start."""

_OF_PEX = re.compile(
    r"PEX_EXTRA_SYS_PATH\.(py|pth)|pex-ns-pkgs\.pth|[^/]+\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)"
)
"""Files that PEX adds to an environment."""

_MODULES_OF_PEX = ("PEX_EXTRA_SYS_PATH.py", "PEX_EXTRA_SYS_PATH.pth")
_INDENT = " " * 16
"""The indentation of the text of a module in the program of PEX."""

_LAYOUT = "PEX-LAYOUT"
_MIRROR_OF_PEX = re.compile(rf"{_LAYOUT}|\.last-access")
_PEX_OWN = (".bootstrap/", "__pex__/")


@dataclass(frozen=True, slots=True)
class Copy:
    """One unpacked copy.

    Attributes:
        folder: the folder that is compared.
        expected: the digests, by path in the folder.
        generated: matches the paths of files that PEX adds.
    """

    folder: Path
    expected: Mapping[str, str]
    generated: re.Pattern[str]

    @property
    def environment(self) -> Path | None:
        """The environment of these packages; None for a mirror."""
        return self.folder.parents[2] if self.generated is _OF_PEX else None

    def inner(self, path: str) -> str:
        """Return the path in the manifest's terms, without the folder of a namespace's further wheel."""
        return path if self.environment is None else _NAMESPACE_PREFIX.sub("", path)


def root_of(prefix: Path) -> Path | None:
    """Return the root of PEX for the ``sys.prefix`` of an environment; None when PEX did not create it."""
    real = prefix.resolve()
    return next((parent.parent for parent in real.parents if parent.name == "venvs"), None)


def copies(root: Path, pex_hash: str, members: Mapping[str, str], manifest: bytes) -> list[Copy]:
    """Return the copies of a file that exist.

    Args:
        root: the root of PEX.
        pex_hash: the hash in the file's PEX-INFO.
        members: the digests of the members.
        manifest: the content of the manifest, which is unpacked like the members that it lists.
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
    """Return the digests of ``site-packages`` of an environment, by path: sources and wheels are side by side."""
    found = {}
    for name, digest in members.items():
        inner = name.split("/", 2)[2] if name.startswith(".deps/") else name
        beside = name.startswith(_PEX_OWN) or "/" not in name
        if not (beside or inner == ".layout.json" or inner.startswith(".prefix/") or _OF_PEX.fullmatch(inner)):
            found[inner] = digest
    return found


def in_mirror(members: Mapping[str, str]) -> dict[str, str]:
    """Return the digests of the mirror of the archive, by path."""
    return {name: digest for name, digest in members.items() if not name.startswith("__pex__/")}


def problems(found: list[Copy], origin: Origin) -> Iterator[str]:
    """Yield a line for each changed, missing or added file of the copies."""
    digest = _digest_cache()
    installer = origin.text(INSTALLER)
    for copy in found:
        there = sorted((copy.inner(path), whole) for path, whole in files(copy.folder))
        for name in sorted(copy.expected.keys() - {name for name, _ in there}):
            yield f"{copy.folder / name}: is missing"
        for name, path in there:
            if name not in copy.expected:
                if not copy.generated.fullmatch(name):
                    yield f"{path}: is not in the manifest"
                elif not _is_as_generated(name, path, installer):
                    yield f"{path}: is not what PEX writes"
            elif digest(path) != copy.expected[name]:
                yield f"{path}: differs from the manifest"
        if copy.environment is not None:
            yield from environment.problems(copy.environment, origin)


def _is_as_generated(name: str, path: str, installer: str) -> bool:
    if name == _LAYOUT:
        return Path(path).read_bytes() == b"zipapp"
    if name == _NAMESPACES:
        return all(_NAMESPACE.fullmatch(line) for line in Path(path).read_bytes().decode("latin-1").splitlines())
    return name not in _MODULES_OF_PEX or _is_of_pex(path, installer)


def files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield path in the folder and path of each file below it, through links; compiled modules are left out."""
    start = len(f"{folder}/")
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from ((f"{parent}/{name}"[start:], f"{parent}/{name}") for name in names)


def _digest_cache() -> Callable[[str], str]:
    """Return a function that returns the digest of a file; copies link to the same files, so each is read once."""
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
    """Return whether a module is one of the texts in the program of PEX: an indented block, or a line in quotes."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    block = f'"""\\\n{textwrap.indent(text, _INDENT)}{_INDENT}"""'
    return block in installer or f"{_INDENT}{json.dumps(text.rstrip())},\n" in installer
