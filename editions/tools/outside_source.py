"""The places that code of another repository comes from, a folder or an archive, and the plugins that lie there."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

_MARKS = ("WORKSPACE", "MODULE.bazel")
_BUILD_FILES = ("BUILD.bazel", "BUILD")
_NAME = re.compile(r"^\s*(?:workspace|module)\(\s*name\s*=\s*\"(?P<name>[\w.-]+)\"", re.MULTILINE)
_PLUGIN = re.compile(r"^server_plugin\(", re.MULTILINE)
_DIGEST = re.compile(r"#sha256=(?P<sha256>[0-9a-f]{64})$")
_TIMEOUT_S = 120
_ENDING = ".zip"  # the only format that every supported Bazel unpacks: that of Debian 13 lacks a library for tar


class SourceError(ValueError):
    """A place holds no repository, or not what it should; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class RepositorySource:
    """A repository and its place.

    Attributes:
        name: the repository's name, as its WORKSPACE says it.
        path: its folder; empty for an archive.
        url: the archive's address; empty for a folder.
        sha256: the archive's digest, in hexadecimal.
        strip_prefix: the folder of the archive that holds the repository.
    """

    name: str
    path: str = ""
    url: str = ""
    sha256: str = ""
    strip_prefix: str = ""

    def workspace_rule(self) -> str:
        """Return the rule of a WORKSPACE that brings the repository."""
        if self.path:
            return f'local_repository(\n    name = "{self.name}",\n    path = "{self.path}",\n)\n'
        prefix = f'    strip_prefix = "{self.strip_prefix}",\n' if self.strip_prefix else ""
        pinned = f'    name = "{self.name}",\n    sha256 = "{self.sha256}",\n'
        return f'http_archive(\n{pinned}{prefix}    urls = ["{self.url}"],\n)\n'

    def module_rule(self) -> str:
        """Return the lines of a MODULE.bazel that bring the repository."""
        head = f'bazel_dep(name = "{self.name}")\n'
        if self.path:
            return f'{head}local_path_override(\n    module_name = "{self.name}",\n    path = "{self.path}",\n)\n'
        integrity = "sha256-" + base64.b64encode(bytes.fromhex(self.sha256)).decode()
        prefix = f'    strip_prefix = "{self.strip_prefix}",\n' if self.strip_prefix else ""
        return (
            f'{head}archive_override(\n    module_name = "{self.name}",\n    integrity = "{integrity}",\n'
            f'{prefix}    urls = ["{self.url}"],\n)\n'
        )


@dataclass(frozen=True, slots=True)
class RepositoryContent:
    """A repository that was looked at: its source, its plugins' packages by the plugins' names, and its locks.

    Attributes:
        source: the place.
        plugins: package by plugin, such as ``{"my-plugin": "my_plugin"}``.
        locks: labels of the locks in its root, relative to the repository: ``//:requirements.lock``.
    """

    source: RepositorySource
    plugins: Mapping[str, str]
    locks: tuple[str, ...]

    def labels(self, wanted: str, below: str) -> list[str]:
        """Return the label of the plugin ``wanted``, or that of the only plugin of the folder ``below``.

        Raises:
            SourceError: there is no such plugin, or more than one.
        """
        inside = {
            name: package
            for name, package in self.plugins.items()
            if (name == wanted if wanted else PurePosixPath(package).is_relative_to(below))
        }
        if len(inside) != 1:
            there = ", ".join(sorted(self.plugins)) or "none"
            asked = f"no plugin {wanted}" if wanted else "not one plugin"
            raise SourceError(f"@{self.source.name} has {asked}; its plugins are: {there}. Name one of them")
        return [f"@{self.source.name}//{package}" for package in inside.values()]


def look(place: str, caller: Path) -> tuple[RepositoryContent, str]:
    """Return the repository at a place, and the folder in it that was named.

    Args:
        place: a folder in a repository, a file ``*.zip``, or an address of one, with ``#sha256=…`` behind it or not.
        caller: the folder that relative paths begin in.

    Raises:
        SourceError: no repository lies there.
    """
    address, _, _ = place.partition("#")
    if address.endswith(_ENDING):
        return _archive(place, caller), "."
    if "://" in place:
        raise SourceError(f"{address} is no address of an archive *{_ENDING}, by which Bazel knows how to unpack it")
    folder = (caller / place).resolve()
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder; name a plugin's folder, or an archive *{_ENDING} of its repository")
    root = next((each for each in (folder, *folder.parents) if any((each / mark).is_file() for mark in _MARKS)), None)
    if root is None:
        raise SourceError(
            f"{folder} lies in no repository of Bazel: no folder above it has a WORKSPACE;"
            " ./bazelw run //plugins:new -- NAME --workspace DIR writes one"
        )
    files = {str(file.relative_to(root)): file.read_text("utf-8") for file in _of_interest(root)}
    return _found(RepositorySource("", path=str(root)), files), str(folder.relative_to(root))


def _of_interest(root: Path) -> Iterator[Path]:
    """The files that tell what a repository holds; folders of Bazel's are left out."""
    yield from root.glob("*.lock")
    for name in (*_MARKS, *_BUILD_FILES):
        yield from (
            file for file in root.rglob(name) if not file.relative_to(root).parts[0].startswith(("bazel-", "."))
        )


def _archive(place: str, caller: Path) -> RepositoryContent:
    """The repository in an archive, which is pinned by its digest from now on."""
    wanted = _DIGEST.search(place)
    address = place[: wanted.start()] if wanted else place
    url = address if "://" in address else (caller / address).resolve().as_uri()
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the caller's own address
            content = answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise SourceError(f"{url} cannot be read: {error}") from None
    sha256 = hashlib.sha256(content).hexdigest()
    if wanted and wanted["sha256"] != sha256:
        raise SourceError(f"{url} has the sha256 {sha256}, not {wanted['sha256']}; do not use it")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [member.filename for member in archive.infolist() if not member.is_dir()]
            prefix = _common(names)
            inside = {name: name.removeprefix(f"{prefix}/") for name in names}
            files = {short: archive.read(name).decode("utf-8") for name, short in inside.items() if _interesting(short)}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise SourceError(f"{url} is no archive *{_ENDING}: {error}") from None
    return _found(RepositorySource("", url=url, sha256=sha256, strip_prefix=prefix), files)


def _interesting(name: str) -> bool:
    return name.rpartition("/")[2] in (*_MARKS, *_BUILD_FILES) or (name.endswith(".lock") and "/" not in name)


def _common(names: Sequence[str]) -> str:
    """The folder that all members lie in, or nothing."""
    tops = {name.partition("/")[0] for name in names}
    return tops.pop() if len(tops) == 1 else ""


def _found(source: RepositorySource, files: Mapping[str, str]) -> RepositoryContent:
    name = next((match["name"] for mark in _MARKS if (match := _NAME.search(files.get(mark, "")))), "")
    if not name:
        raise SourceError(f'{source.path or source.url} has no name: write workspace(name = "…") into its WORKSPACE')
    inner = {file.rpartition("/")[0] for file in files if file.endswith(tuple(f"/{mark}" for mark in _MARKS))}
    packages = [
        package
        for file, text in files.items()
        if file.rpartition("/")[2] in _BUILD_FILES and _PLUGIN.search(text)
        if not _inside(package := file.rpartition("/")[0], inner)
    ]
    plugins = {package.rpartition("/")[2].replace("_", "-"): package for package in sorted(packages)}
    locks = tuple(f"//:{file}" for file in sorted(files) if file.endswith(".lock"))
    return RepositoryContent(replace(source, name=name), plugins, locks)


def _inside(package: str, folders: AbstractSet[str]) -> bool:
    """Whether a package is of a repository that lies in this one, such as one for tests."""
    return any(PurePosixPath(package).is_relative_to(folder) for folder in folders)
