"""Writes the SBOM, the provenance and the checksums of an edition that carries its interpreter.

The SBOM is the edition's, with the interpreter and the libraries in it added.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from packageurl import PackageURL

from editions.tools import bundled
from editions.tools.write_proof import BUILDER, PREDICATE, STATEMENT, checksums, digest
from editions.tools.write_sbom import as_text, carried

BUILD_TYPE = "urn:flovyn:build:scie:1"

_VERSION = re.compile(rb'#define\s+PY_VERSION\s+"([^"+]+)')
_HEADER = re.compile(r"python/include/python3\.\d+/patchlevel\.h")


def read_interpreter(archive: Path, python: str) -> tuple[str, list[bundled.Found]]:
    """Return the interpreter's whole version, and the libraries inside; ``python`` where the archive tells no more."""
    version = python
    found: list[bundled.Found] = []
    with tarfile.open(archive) as files:
        for entry in files:
            if not entry.isfile():
                continue
            content = files.extractfile(entry).read()  # type: ignore[union-attr]  # it is a file
            if _HEADER.fullmatch(entry.name) and (told := _VERSION.search(content)):
                version = told[1].decode()
            elif bundled.is_compiled(content):
                found += bundled.recognized(entry.name, content)
    return version, bundled.unique(found)


def document(edition: str, version: str, sha256: str, found: list[bundled.Found]) -> str:
    """Return the SBOM.

    Args:
        edition: the SBOM of the edition.
        version: the interpreter's.
        sha256: the digest of its archive.
        found: the libraries inside.
    """
    before = json.loads(edition)
    bom: Bom = Bom.from_json(before)  # type: ignore[attr-defined]  # the library adds it to the class
    interpreter = Component(
        name="cpython",
        version=version,
        type=ComponentType.PLATFORM,
        bom_ref=f"pkg:generic/cpython@{version}",
        purl=PackageURL("generic", None, "cpython", version),
        cpe=f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
    )
    inside = [carried(each, interpreter) for each in found]
    bom.components.update([interpreter, *inside])
    root = bom.metadata.component
    assert root is not None, "the edition's SBOM names the edition"
    bom.register_dependency(root, [interpreter])
    bom.register_dependency(interpreter, inside)
    return as_text(bom, before["metadata"].get("timestamp"))


def statement(label: str, scie: Path, pex: Path, interpreter: Path, python: str) -> dict[str, Any]:
    """Return the in-toto statement that the file was made of the edition and the interpreter's archive."""
    materials = [{"name": part.name, "digest": {"sha256": digest(part)}} for part in (pex, interpreter)]
    return {
        "_type": STATEMENT,
        "subject": [{"name": scie.name, "digest": {"sha256": digest(scie)}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"target": label},
                "internalParameters": {"python": python},
                "resolvedDependencies": materials,
            },
            "runDetails": {"builder": {"id": BUILDER}},
        },
    }


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--label", "--python"):
        parser.add_argument(name, required=True)
    for name in ("--pex", "--pex-sbom", "--interpreter", "--scie", "--sbom", "--provenance", "--sums"):
        parser.add_argument(name, type=Path, required=True)
    options = parser.parse_args(arguments)
    version, found = read_interpreter(options.interpreter, options.python)
    sbom = document(options.pex_sbom.read_text("utf-8"), version, digest(options.interpreter), found)
    options.sbom.write_text(sbom, encoding="utf-8")
    made = statement(options.label, options.scie, options.pex, options.interpreter, version)
    options.provenance.write_text(json.dumps(made, sort_keys=True) + "\n", encoding="utf-8")
    files = (options.scie, options.sbom, options.provenance)
    options.sums.write_text(checksums({path.name: digest(path) for path in files}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
