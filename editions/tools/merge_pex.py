"""Writes an edition: the PEX of its wheels with the sources of the server, the plugins and the boot package added.

The manifest comes last, since it lists the digest of everything else, and then the seal over the whole file. Provenance
and checksums are written beside it by the same action: to start a program for them would cost more than they do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from editions.tools import manifest, write_proof
from editions.tools.layout import LayoutError, read_sources
from editions.tools.pex_file import PexDraft, PexFormatError
from editions.tools.sealed_pex import measured, sealed
from editions.tools.size_budget import over_budget
from server.verification.archive import MANIFEST


def write(options: argparse.Namespace) -> str | None:
    """Write the edition and the files beside it; return what is wrong with it, or None."""
    try:
        files = read_sources(options.source, options.imports)
        parts = manifest.ManifestParts.read(options.parts, options.imports)
        wheels = json.loads(options.wheels.read_bytes())
        facts = manifest.facts(json.loads(files["flovyn_edition/edition.json"]), wheels, parts, files)
        draft = PexDraft(options.deps)
        draft.add_files(files, manifest.as_bytes(facts))
    except (LayoutError, PexFormatError) as error:
        return str(error)
    content = manifest.as_bytes(manifest.complete(facts, measured(draft, wheels["members"]), parts))
    whole = sealed(draft, {MANIFEST: content})
    options.out.write_bytes(whole)
    options.out.chmod(0o755)
    options.manifest.write_bytes(content)
    write_proof.write(options, hashlib.sha256(whole).hexdigest(), content)
    return over_budget(options.out, options.max_mb)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line, most of which comes from a file of arguments."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    for name in ("--deps", "--wheels", "--parts", "--sbom", "--out", "--manifest", "--provenance", "--sums"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--target", required=True, help="the label without its workspace, for the provenance")
    parser.add_argument("--max-mb", type=float, default=0.0)
    parser.add_argument("--import", dest="imports", action="append", default=[])
    parser.add_argument("--source", nargs="*", default=[])
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run from the command line; 1 and one message when the edition is refused."""
    options = parse(arguments)
    problem = write(options)
    if problem:
        print(f"{options.label}: {problem}", file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
