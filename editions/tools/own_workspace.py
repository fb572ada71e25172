"""Writes the files of a workspace outside of this repository, for every Bazel that the build supports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from editions.tools.outside_source import RepositorySource

SERVER = "flovyn_server"
"""The name of this repository in another workspace."""

_SERVER_ROOT = Path(__file__).parents[2]
_COPIED = (".bazelrc", ".bazelversion", "bazel4.bazelrc", "bazelw", "modules.bazelrc")
_STATUS = "editions/toolchain/workspace_status.sh"
_OWN_STATUS = "tools/workspace_status.sh"
_PROGRAMS = frozenset({"bazelw", _OWN_STATUS})

_ARCHIVES = 'load("@bazel_tools//tools/build_defs/repo:http.bzl", "http_archive")\n\n'
_REPOSITORIES = """\
load("@flovyn_server//editions:repositories.bzl", "flovyn_server_repositories")

flovyn_server_repositories({locks})
"""
_EXTENSION = """\
flovyn = use_extension("@flovyn_server//editions:extensions.bzl", "flovyn")
{locks}use_repo(flovyn, "wheels")
"""
_IGNORED = "/bazel-*\n/user.bazelrc\n__pycache__/\n"


def files(name: str, sources: Sequence[RepositorySource], locks: Sequence[str]) -> dict[str, str]:
    """Return the files of a workspace, by path.

    Args:
        name: the workspace's name.
        sources: the repositories that it uses, the server among them.
        locks: labels of the locks of plugins' own wheels.
    """
    return {
        **{file: _own((_SERVER_ROOT / file).read_text("utf-8")) for file in _COPIED},
        _OWN_STATUS: (_SERVER_ROOT / _STATUS).read_text("utf-8"),
        ".gitignore": _IGNORED,
        "WORKSPACE": workspace_file(name, sources, locks),
        "MODULE.bazel": module_file(name, sources, locks),
    }


def workspace_file(name: str, sources: Sequence[RepositorySource], locks: Sequence[str]) -> str:
    """Return the text of the file WORKSPACE."""
    listed = ", ".join(f'"{lock}"' for lock in locks)
    parts = [f'workspace(name = "{name}")\n\n']
    parts += [_ARCHIVES] if any(source.url for source in sources) else []
    parts += [source.workspace_rule() + "\n" for source in sources]
    return "".join([*parts, _REPOSITORIES.format(locks=f"locks = [{listed}]" if locks else "")])


def module_file(name: str, sources: Sequence[RepositorySource], locks: Sequence[str]) -> str:
    """Return the text of the file MODULE.bazel, which says the same for Bazels that read modules."""
    listed = "".join(f'flovyn.wheels(lock = "{lock}")\n' for lock in locks)
    parts = [f'module(name = "{name}")\n\n', *(source.module_rule() + "\n" for source in sources)]
    return "".join([*parts, _EXTENSION.format(locks=listed)])


def write(folder: Path, content: Mapping[str, str]) -> None:
    """Write files below ``folder``; programs can be started."""
    for name, text in content.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        if name in _PROGRAMS:
            target.chmod(0o755)


def server_source(checkout: Path) -> RepositorySource:
    """Return the source of a checkout of this repository."""
    return RepositorySource(SERVER, path=str(checkout))


def _own(text: str) -> str:
    """A file of this repository for another workspace, where the program that tells the commit has another folder."""
    return text.replace(_STATUS, _OWN_STATUS).replace("for this repository", "for this workspace")
