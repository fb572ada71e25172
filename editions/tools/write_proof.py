"""Writes what goes out with an edition: its provenance, and the checksums of all of its files.

The provenance is an in-toto statement with a SLSA predicate: which file was made of which lock, wheels, plugins and,
in a release, commit. It is not signed, and says what its writer claims. The release workflow makes signed attestations
of the published files, this one among them, and signs their checksums.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:flovyn:build:edition:1"
BUILDER = "urn:flovyn:builder:bazel"


def statement(label: str, name: str, sha256: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statement on one file.

    Args:
        label: the edition's target.
        name: the file's.
        sha256: its digest.
        manifest: the file's manifest.
    """
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"target": label, "stamp": "commit" in manifest},
                "internalParameters": {key: manifest[key] for key in ("platform", "python", "version")},
                "resolvedDependencies": materials(manifest),
            },
            "runDetails": {"builder": {"id": BUILDER}},
        },
    }


def materials(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the materials of the file; the commit only where the build was stamped."""
    found: list[dict[str, Any]] = [{"name": "runtime.lock", "digest": {"sha256": manifest["lock"]}}]
    locks = manifest.get("plugin_locks", ())
    found += [{"name": lock["name"], "digest": {"sha256": lock["sha256"]}} for lock in locks]
    if "commit" in manifest:
        source = {"name": "source", "digest": {"gitCommit": manifest["commit"]}}
        found.append({**source, "annotations": {"dirty": manifest["dirty"]}})
    for plugin in manifest["plugins"]:
        named = f"plugin {plugin['name']} {plugin['version']}"
        found.append({"name": named, "digest": {"sha256": plugin["source_sha256"]}})
    for wheel in (*manifest["wheels"], manifest["boot"]):
        url = f"pkg:pypi/{wheel['name']}@{wheel['version']}"
        found.append({"name": wheel["file"], "uri": url, "digest": {"sha256": wheel["sha256"]}})
    return found


def write(options: argparse.Namespace, sha256: str, manifest: bytes) -> None:
    """Write the provenance and the checksums of an edition.

    Args:
        options: ``target``, and the paths ``out``, ``manifest``, ``sbom``, ``provenance`` and ``sums``.
        sha256: the digest of the edition's file.
        manifest: the content of its manifest.
    """
    made = statement(options.target, options.out.name, sha256, json.loads(manifest))
    options.provenance.write_text(json.dumps(made, sort_keys=True) + "\n", encoding="utf-8")
    others = {path.name: digest(path) for path in (options.manifest, options.sbom, options.provenance)}
    options.sums.write_text(checksums({options.out.name: sha256, **others}), encoding="utf-8")


def checksums(digests: Mapping[str, str]) -> str:
    """Return the checksums of files, by their names, in the form that ``sha256sum -c`` reads."""
    return "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(digests.items()))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
