"""The running edition: the value that a generated boot module passes to ``server.cli.run``.

Imports nothing heavy: ``flovyn-server version`` must answer at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from core.build_info import BuildInfo, PluginInfo
from core.errors import NotOffered

if TYPE_CHECKING:
    from core.plugin import Plugin

SCHEMA = 1
"""Version of ``edition.json``."""


@dataclass(frozen=True, slots=True)
class Edition:
    """The content of this file.

    Attributes:
        build_info: name, version, plugins and origin.
        plugins: makes the plugins, importing them; called at most once per process.
        proofs: the proof of every migration that the build has checked, by owner and file; see
            ``server.migrator.proof``.
        core_names: names of all objects that the core's migrations make; empty in tests.
        contributions: the declarations of each plugin at build time; None in tests, which build no edition.
        package: the package that holds what the build wrote; empty in tests, for the same reason.
    """

    build_info: BuildInfo
    plugins: Callable[[], Sequence[Plugin]]
    proofs: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    core_names: frozenset[str] = frozenset()
    contributions: Mapping[str, Mapping[str, Any]] | None = None
    package: str = ""

    def document(self, name: str) -> bytes:
        """Return a document that the build wrote beside the boot module, such as ``manifest.json``.

        Raises:
            NotOffered: this server runs from sources, which have no such document.
        """
        if not self.package:
            raise NotOffered("this server runs from sources; only a built edition has this document")
        return files(self.package).joinpath(name).read_bytes()

    @classmethod
    def load(cls, package: str, plugins: Callable[[], Sequence[Plugin]]) -> Edition:
        """Read ``edition.json``, which the build wrote beside the boot module ``package``."""
        data: dict[str, Any] = json.loads(files(package).joinpath("edition.json").read_bytes())
        if data["schema"] != SCHEMA:
            raise ValueError(f"edition.json has schema {data['schema']}, this server reads {SCHEMA}: build it again")
        infos = tuple(PluginInfo(plugin["name"], plugin["version"]) for plugin in data["plugins"])
        build_info = BuildInfo(
            edition=data["edition"],
            version=data["version"],
            python=data["python"],
            lock=data["lock"],
            plugins=infos,
            platform=data["platform"],
            commit=data.get("commit"),
            dirty=data.get("dirty"),
            commit_date=data.get("commit_date"),
        )
        proofs = {
            (owner["name"], migration["file"]): migration
            for owner in (data["core"], *data["plugins"])
            for migration in owner["migrations"]
        }
        core_names = frozenset(name for _, name in data["core"]["objects"])
        contributions = {plugin["name"]: plugin["contributions"] for plugin in data["plugins"]}
        return cls(build_info, plugins, proofs, core_names, contributions, package)
