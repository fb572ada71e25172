"""Writes what goes out with an edition: its provenance, and the checksums of all of its files.

The provenance is an in-toto statement with a SLSA predicate: which file was made of which lock, wheels, plugins and,
in a release, commit. It is not signed, and says what its writer claims. The release workflow makes signed attestations
of the published files, this one among them, and signs their checksums.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
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


def checksums(files: list[Path]) -> str:
    """Return the checksums in the form that ``sha256sum -c`` reads."""
    return "".join(f"{digest(path)}  {path.name}\n" for path in sorted(files, key=lambda path: path.name))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--label", required=True)
    for name in ("--pex", "--manifest", "--sbom", "--provenance", "--sums"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args(arguments)
    manifest = json.loads(options.manifest.read_bytes())
    made = statement(options.label, options.pex.name, digest(options.pex), manifest)
    options.provenance.write_text(json.dumps(made, sort_keys=True) + "\n", encoding="utf-8")
    files = [options.pex, options.manifest, options.sbom, options.provenance]
    options.sums.write_text(checksums(files), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
