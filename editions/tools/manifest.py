"""Makes an edition's manifest: what ``edition.json`` says, with digests, licences, sizes and every member of the file.

In two steps, because a PEX is named after its content. The facts are known before the file is written and enter its
name; sizes, and the digests of members that hold the name, are read from the written file. The manifest lies inside as
well and cannot list itself: the seal covers it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editions.tools.layout import place
from editions.tools.sealed_pex import Measured
from server.verification.archive import SCHEMA

_RPC = re.compile(r"'(/flovyn\.v1\.\w+/\w+)'")
_NEEDS = ("plugin_api", "requires")
_STAMP = ("commit", "commit_date", "dirty")


@dataclass(frozen=True, slots=True)
class ManifestParts:
    """The parts of an edition, and the wheels and sources of each.

    Attributes:
        wheels: names of wheels by the part that needs them: ``server``, ``extras`` and the names of plugins.
        sources: members by plugin, without those that the server has by itself.
    """

    wheels: Mapping[str, Sequence[str]]
    sources: Mapping[str, Sequence[str]]

    @classmethod
    def read(cls, path: Path, imports: Iterable[str]) -> ManifestParts:
        """Read what the rule wrote: wheels and paths of sources by part."""
        parts = json.loads(path.read_bytes())
        folders = list(imports)
        placed = {name: {place(source, folders) for source in part["sources"]} for name, part in parts.items()}
        own = {name: sorted(sources - placed["server"]) for name, sources in placed.items()}
        return cls({name: part["wheels"] for name, part in parts.items()}, own)

    def needing(self, wheel: str) -> list[str]:
        """Return the parts that need a wheel."""
        return sorted(name for name, wheels in self.wheels.items() if wheel in wheels)


def facts(
    edition: Mapping[str, Any], wheels: Mapping[str, Any], parts: ManifestParts, files: Mapping[str, bytes]
) -> dict[str, Any]:
    """Return the facts that are known before the file is written.

    Args:
        edition: ``edition.json``.
        wheels: the facts of the wheels.
        parts: the parts.
        files: content of the sources by member.
    """
    stamp = {key: edition[key] for key in _STAMP if key in edition}
    return {
        "schema": SCHEMA,
        **{key: edition[key] for key in ("edition", "version", "license", "python", "platform", "lock", "lint_rules")},
        **stamp,
        **({"plugin_locks": wheels["plugin_locks"]} if wheels["plugin_locks"] else {}),
        "server": {**edition["server"], "migrations": _core_migrations(files), "rpcs": _core_rpcs(files)},
        "boot": wheels["boot"],
        "plugins": [_plugin(plugin, parts, files) for plugin in edition["plugins"]],
        "wheels": [{**wheel, "needed_by": parts.needing(wheel["name"])} for wheel in wheels["wheels"]],
    }


def complete(facts: Mapping[str, Any], found: Measured, parts: ManifestParts) -> dict[str, Any]:
    """Return the whole manifest, given what was measured of the written file."""
    plugins = [
        {**plugin, "size": sum(found.sizes[member] for member in parts.sources[plugin["name"]])}
        for plugin in facts["plugins"]
    ]
    return {**facts, "plugins": plugins, "header_sha256": found.header, "members": dict(found.members)}


def as_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Return the manifest's one form."""
    return (json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def source_digest(files: Mapping[str, bytes], members: Iterable[str]) -> str:
    """Return one digest over files: of the lines that ``sha256sum`` prints for them, sorted by name."""
    lines = [f"{hashlib.sha256(files[member]).hexdigest()}  {member}\n" for member in sorted(members)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _plugin(plugin: Mapping[str, Any], parts: ManifestParts, files: Mapping[str, bytes]) -> dict[str, Any]:
    named = {key: plugin[key] for key in ("name", "version", "entry", "plugin_api", "requires", "objects", "npm")}
    named["migrations"] = [{key: each[key] for key in ("file", "sha256")} for each in plugin["migrations"]]
    members = parts.sources[plugin["name"]]
    return {**named, **plugin["contributions"], "files": len(members), "source_sha256": source_digest(files, members)}


def _core_migrations(files: Mapping[str, bytes]) -> list[dict[str, str]]:
    names = sorted(name for name in files if re.fullmatch(r"migrations/[0-9]+_[^/]+\.sql", name))
    return [
        {"file": name.removeprefix("migrations/"), "sha256": hashlib.sha256(files[name]).hexdigest()} for name in names
    ]


def _core_rpcs(files: Mapping[str, bytes]) -> list[str]:
    """The methods of the wire contract, as the generated stubs call them; importing those would need protobuf here."""
    stubs = [content.decode() for name, content in files.items() if re.fullmatch(r"proto/.*_pb2_grpc\.py", name)]
    return sorted({rpc for stub in stubs for rpc in _RPC.findall(stub)})
