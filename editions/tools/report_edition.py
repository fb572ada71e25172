"""Says what takes the room in an edition: each plugin with the wheels that it alone needs, and each wheel.

./bazelw run //editions:report [-- EDITION], where EDITION is a target or a file; without it, the menu's default. Sizes
are what a part takes in the file, compressed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from editions.tools.edition_file import EditionFile, NoEdition, find
from editions.tools.size_budget import MIB, contributors

SCHEMA = 1
"""Version of the JSON form."""

_SERVER = ("core", "flovyn_edition", "migrations", "proto", "server")


def report(edition: EditionFile) -> dict[str, Any]:
    """Return the sizes, in bytes, by part and by wheel.

    A part's ``exclusive`` wheels would leave with it; its ``shared`` ones stay for others.

    Raises:
        NoEdition: it is a manifest without its file.
    """
    if edition.size is None:
        raise NoEdition(f"{edition.path} is a manifest; sizes are those of a file")
    taken = contributors(edition.path)
    wheels = edition.manifest["wheels"]
    own = {"server": sum(taken[folder] for folder in _SERVER)}
    own |= {plugin["name"]: plugin["size"] for plugin in edition.manifest["plugins"]}
    own |= {"extras": 0} if any("extras" in wheel["needed_by"] for wheel in wheels) else {}
    parts = [_part(name, size, wheels) for name, size in own.items()]
    rest = edition.size - sum(own.values()) - sum(wheel["size"] for wheel in wheels)
    listed = [{key: wheel[key] for key in ("name", "version", "size", "needed_by")} for wheel in wheels]
    return {
        "schema": SCHEMA,
        "edition": edition.manifest["edition"],
        "size": edition.size,
        "parts": parts,
        "wheels": sorted(listed, key=lambda wheel: -wheel["size"]),
        "rest": rest,
    }


def _part(name: str, own: int, wheels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    alone = [wheel for wheel in wheels if wheel["needed_by"] == [name]]
    shared = [wheel for wheel in wheels if name in wheel["needed_by"] and wheel not in alone]
    return {
        "name": name,
        "own": own,
        "exclusive": sum(wheel["size"] for wheel in alone),
        "shared": sum(wheel["size"] for wheel in shared),
        "exclusive_wheels": [wheel["name"] for wheel in alone],
    }


def as_text(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of two tables, in MiB."""
    yield f"edition {found['edition']}: {found['size'] / MIB:.2f} MiB"
    yield ""
    yield f"{'part':<24}{'own':>8}{'exclusive':>11}{'shared':>8}  wheels that it alone needs"
    for part in found["parts"]:
        sizes = f"{part['own'] / MIB:8.2f}{part['exclusive'] / MIB:11.2f}{part['shared'] / MIB:8.2f}"
        yield f"{part['name']:<24}{sizes}  {', '.join(part['exclusive_wheels'])}".rstrip()
    yield f"{'start-up and directory':<24}{found['rest'] / MIB:8.2f}"
    yield ""
    yield f"{'wheel':<32}{'MiB':>8}  needed by"
    for wheel in found["wheels"]:
        named = f"{wheel['name']} {wheel['version']}"
        yield f"{named:<32}{wheel['size'] / MIB:8.2f}  {', '.join(wheel['needed_by'])}"


def _default() -> str:
    menu = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"], "editions", "editions.json")
    return str(json.loads(menu.read_bytes())["default"])


def main(arguments: list[str]) -> int:
    """Run from the command line; 2 and one message when there is nothing to report on."""
    parser = argparse.ArgumentParser(
        prog="./bazelw run //editions:report --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("edition", nargs="?", metavar="EDITION", help="a target or a file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        found = report(*find([options.edition or _default()]))
    except NoEdition as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=2) if options.json else "\n".join(as_text(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
