"""Builds an edition of plugins from anywhere, in a workspace that it writes.

./bazelw run //editions:compose -- --out ../acme-edition --with worker-token --with widgets=../widgets
./bazelw run //editions:compose -- --out ../acme-edition edition.json

``--with`` adds a plugin, again and again: one of the server's by its name, or NAME=PLACE. The place is a plugin's
folder, the folder of its repository, or an archive *.zip of that, a file or an address, which is pinned by its
digest and checked when #sha256=… stands behind it. A file says the same and can be kept under version control:

    {
      "schema": 1,
      "name": "acme",
      "description": "What Acme ships",
      "server": "https://example.org/flovyn-server-1.2.0.zip#sha256=…",
      "plugins": {"worker-token": "", "widgets": "../widgets"},
      "extras": [], "platforms": ["linux-x86_64"], "pythons": ["3.12"], "max_size_mb": 27
    }

Places in a file begin in its folder. An option --with takes the place of the file's entry for that plugin, so that a
released plugin can be tried in a local version.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import PluginError
from core.migration import check_plugin_name, sql_name
from editions.toolchain.json_fault import fault
from editions.tools import own_workspace, workspace
from editions.tools.outside_source import RepositorySource, SourceError, look

_KEYS = ("schema", "name", "description", "server", "plugins", "extras", "platforms", "pythons", "max_size_mb")
_PASSED = ("description", "extras", "platforms", "pythons", "max_size_mb")
_WRITTEN_BY = "# Written by //editions:compose, which writes it again.\n\n"
_BUILD = """\
load("@flovyn_server//editions:defs.bzl", "edition", "edition_command")

edition(
    name = "{name}",
    plugins = [{plugins}],
{attributes})

edition_command(
    name = "run",
    edition = ":{name}",
)
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A place as it was written, and the folder in which its path begins; nothing stands for the server itself."""

    text: str
    base: Path


@dataclass(slots=True)
class Composition:
    """The content of an edition, as a file and options say it.

    Attributes:
        server: the place of the server.
        name: the edition's name.
        plugins: place by plugin.
        attributes: other arguments of the macro `edition`.
    """

    server: Place
    name: str = "edition"
    plugins: dict[str, Place] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)

    def read(self, file: Path) -> None:
        """Read the entries of a file; they replace earlier ones.

        Raises:
            SourceError: it is not JSON, or says what no composition can say.
        """
        try:
            text = file.read_text("utf-8")
        except OSError as error:
            raise SourceError(f"{file} cannot be read: {error.strerror}") from None
        broken = fault(text)
        if broken:
            raise SourceError(f"{file}:{broken}")
        content = _checked(json.loads(text), file)
        self.name = content.get("name", self.name)
        self.server = Place(content["server"], file.parent) if "server" in content else self.server
        self.plugins.update({name: Place(place, file.parent) for name, place in content.get("plugins", {}).items()})
        self.attributes.update({key: content[key] for key in _PASSED if key in content})

    def add(self, option: str, caller: Path) -> None:
        """Add the plugin of an option ``--with``.

        Raises:
            SourceError: it names no plugin.
        """
        name, _, place = option.partition("=")
        name = name.replace("_", "-")
        try:
            check_plugin_name(name)
        except PluginError as error:
            raise SourceError(f"--with {option}: {error}; write NAME or NAME=PLACE") from None
        self.plugins[name] = Place(place, caller)


def _checked(content: Any, file: Path) -> Mapping[str, Any]:
    if not isinstance(content, dict) or content.get("schema") != 1:
        raise SourceError(f'{file}: "schema" must be 1')
    for key in content:
        if key not in _KEYS:
            raise SourceError(f'{file}: unknown key "{key}"; known are {", ".join(_KEYS)}')
    plugins = content.get("plugins", {})
    if not isinstance(plugins, dict) or not all(isinstance(place, str) for place in plugins.values()):
        raise SourceError(f'{file}: "plugins" must be an object of places by plugin; "" stands for the server')
    return content


def files(composition: Composition) -> dict[str, str]:
    """Return the files of the workspace that builds the edition.

    Raises:
        SourceError: a place holds no repository, or not the plugin.
    """
    server, _ = look(composition.server.text, composition.server.base)
    if server.source.name != own_workspace.SERVER:
        raise SourceError(f"{composition.server.text} holds {server.source.name}, not the server")
    sources: dict[str, RepositorySource] = {own_workspace.SERVER: server.source}
    labels, locks = [], []
    for name, place in sorted(composition.plugins.items()):
        found, below = look(place.text, place.base) if place.text else (server, ".")
        first = sources.setdefault(found.source.name, found.source)
        if first != found.source:
            places = f"{_where(first)}, {_where(found.source)}"
            raise SourceError(f"two repositories are named {found.source.name}: {places}; rename one")
        labels += found.labels(name, below)
        if place.text:
            locks += [f"@{found.source.name}{lock}" for lock in found.locks]
    around = own_workspace.files(sql_name(composition.name), list(sources.values()), sorted(set(locks)))
    return {**around, "BUILD.bazel": build_file(composition, labels)}


def build_file(composition: Composition, labels: Sequence[str]) -> str:
    """Return the text of the BUILD file with the edition."""
    plugins = "".join(f'\n        "{label}",' for label in labels) + ("\n    " if labels else "")
    attributes = "".join(f"    {key} = {json.dumps(value)},\n" for key, value in sorted(composition.attributes.items()))
    return _WRITTEN_BY + _BUILD.format(name=composition.name, plugins=plugins, attributes=attributes)


def _where(source: RepositorySource) -> str:
    return source.path or source.url


def build(folder: Path, name: str, targets: Sequence[str]) -> list[Path]:
    """Build the targets in the workspace; return the edition's file of this machine, or those of the targets.

    Raises:
        subprocess.CalledProcessError: the build failed; Bazel's messages stand on standard error.
    """
    command = [str(folder / "bazelw"), "build", *(f"//:{target}" for target in targets or [name])]
    subprocess.run(command, cwd=folder, env=workspace.environment(), check=True)
    return [folder / "bazel-bin" / f"{target}.pex" for target in targets or [name]]


def main(arguments: list[str]) -> int:
    """Run from ``bazel run //editions:compose``; 1 and the reason when nothing is built."""
    parser = argparse.ArgumentParser(
        prog="./bazelw run //editions:compose --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", type=Path, help="a description of the edition, as above")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of the workspace")
    parser.add_argument("--with", dest="plugins", action="append", default=[], metavar="NAME[=PLACE]", help="a plugin")
    parser.add_argument("--name", help="the edition's name")
    parser.add_argument("--server", metavar="PLACE", help="the server's checkout or archive; this one by default")
    parser.add_argument("--target", action="append", default=[], help="what to build; by default, for this machine")
    parser.add_argument("--no-build", action="store_true", help="only write the workspace")
    options = parser.parse_args(arguments)
    try:
        composition = composed(options)
        folder = (workspace.caller() / options.out).resolve()
        content = files(composition)
        refuse_foreign(folder)
        own_workspace.write(folder, content)
        built = [] if options.no_build else build(folder, composition.name, options.target)
    except (SourceError, subprocess.CalledProcessError) as error:
        return workspace.told(error)
    print("\n".join(map(str, built or [folder])))
    return 0


def composed(options: argparse.Namespace) -> Composition:
    """Return the composition of file and options; an option replaces the file's entry.

    Raises:
        SourceError: the file or an option is wrong.
    """
    caller = workspace.caller()
    found = Composition(Place(str(workspace.root()), caller))
    if options.file:
        found.read(caller / options.file)
    for option in options.plugins:
        found.add(option, caller)
    found.name = options.name or found.name
    found.server = Place(options.server, caller) if options.server else found.server
    return found


def refuse_foreign(folder: Path) -> None:
    """Return when the folder is new, empty, or one that this program wrote.

    Raises:
        SourceError: it is another folder, whose files would be overwritten.
    """
    build_file = folder / "BUILD.bazel"
    ours = build_file.is_file() and build_file.read_text("utf-8").startswith(_WRITTEN_BY)
    if folder.exists() and any(folder.iterdir()) and not ours:
        raise SourceError(f"{folder} is not empty and was not written by this program; name another folder with --out")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
