"""Writes an edition: the PEX of its wheels with the sources of the server, the plugins and the boot package added.

The manifest comes last, since it lists the digest of everything else, and then the seal over the whole file.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from editions.tools import manifest
from editions.tools.layout import LayoutError, read_sources
from editions.tools.pex_file import PexFormatError, add_files
from editions.tools.sealed_pex import measured, sealed
from editions.tools.size_budget import over_budget
from server.verification.archive import MANIFEST


def write(options: argparse.Namespace) -> str | None:
    """Write the edition and its manifest; return what is wrong with it, or None."""
    try:
        files = read_sources(options.source, options.imports)
        parts = manifest.ManifestParts.read(options.parts, options.imports)
        wheels = json.loads(options.wheels.read_bytes())
        facts = manifest.facts(json.loads(files["flovyn_edition/edition.json"]), wheels, parts, files)
        shutil.copyfile(options.deps, options.out)
        add_files(options.out, files, manifest.as_bytes(facts))
    except (LayoutError, PexFormatError) as error:
        return str(error)
    content = manifest.as_bytes(manifest.complete(facts, measured(options.out, wheels["members"]), parts))
    sealed(options.out, {MANIFEST: content})
    options.manifest.write_bytes(content)
    options.out.chmod(0o755)
    return over_budget(options.out, options.max_mb)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line, most of which comes from a file of arguments."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    for name in ("--deps", "--wheels", "--parts", "--out", "--manifest"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--max-mb", type=float, default=0.0)
    parser.add_argument("--import", dest="imports", action="append", default=[])
    parser.add_argument("--source", action="append", default=[])
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
