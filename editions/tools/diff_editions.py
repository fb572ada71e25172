"""Says in what two editions differ: plugins, wheels, tables, routes, RPCs, settings, licences, sources, size.

./bazelw run //editions:diff -- A B, where A and B are targets (full, //editions:full), files of editions, or manifests
that were kept of them. Exits with 0 when nothing differs, with 1 when something does, with 2 when it cannot be told.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from editions.tools.edition_file import EditionFile, NoEdition, find

SCHEMA = 1
"""Version of the JSON form."""

_SHOWN = 12
_MIB = 1024 * 1024
_IDENTITY = ("version", "python", "platform", "lock", "lint_rules", "commit")
_OF_ITS_OWN = (".deps/", "flovyn_edition/", "__pex__/", "PEX-INFO", "__main__.py")
"""Members that follow from wheels and lists, which are compared by themselves."""

Table = dict[str, str]


def tables(manifest: Mapping[str, Any]) -> dict[str, Table]:
    """Return the compared values by kind and name."""
    owners = [manifest["server"], *manifest["plugins"]]
    wheels = [*manifest["wheels"], manifest["boot"]]
    return {
        "build": {key: str(manifest[key]) for key in _IDENTITY if key in manifest},
        "plugins": {each["name"]: f"{each['version']} {_short(each['source_sha256'])}" for each in manifest["plugins"]},
        "wheels": {each["name"]: f"{each['version']} {_short(each['sha256'])}" for each in wheels},
        "objects": {f"{kind} {name}": "" for each in manifest["plugins"] for kind, name in each["objects"]},
        "migrations": dict(_migrations(manifest)),
        "routes": _names(owners, "routes", "aliases"),
        "rpcs": _names(owners, "rpcs"),
        "settings": _names(owners, "sections", "variables"),
        "authentication": _names(owners, "authenticators", "authorizers"),
        "licences": {each["name"]: each["license"] for each in wheels},
        "sources": {
            name: _short(digest) for name, digest in manifest["members"].items() if not name.startswith(_OF_ITS_OWN)
        },
    }


def differences(one: EditionFile, other: EditionFile) -> dict[str, dict[str, Any]]:
    """Return the differences by kind: names of the second alone (added), of the first alone (removed), and changed."""
    found: dict[str, dict[str, Any]] = {}
    before, after = tables(one.manifest), tables(other.manifest)
    if None not in (one.size, other.size):
        before["size"], after["size"] = {"bytes": str(one.size)}, {"bytes": str(other.size)}
    for kind in before:
        first, second = before[kind], after[kind]
        added = {name: second[name] for name in sorted(second.keys() - first.keys())}
        removed = {name: first[name] for name in sorted(first.keys() - second.keys())}
        both = sorted(first.keys() & second.keys())
        changed = {name: [first[name], second[name]] for name in both if first[name] != second[name]}
        if added or removed or changed:
            found[kind] = {"added": added, "removed": removed, "changed": changed}
    return found


def as_text(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines for a reader: + only in the second, - only in the first, ~ in both and not the same."""
    for kind, each in found.items():
        yield kind
        if kind == "size":
            before, after = (int(size) / _MIB for size in each["changed"]["bytes"])
            yield f"  {before:.2f} -> {after:.2f} MiB ({after - before:+.2f})"
            continue
        lines = [f"  + {name}  {value}".rstrip() for name, value in each["added"].items()]
        lines += [f"  - {name}  {value}".rstrip() for name, value in each["removed"].items()]
        lines += [f"  ~ {name}  {before} -> {after}" for name, (before, after) in each["changed"].items()]
        shown = len(lines) if kind != "sources" else _SHOWN
        yield from lines[:shown]
        if lines[shown:]:
            yield f"  … and {len(lines) - shown} more; --json lists them"


def _names(owners: list[Mapping[str, Any]], *keys: str) -> Table:
    return {name: "" for owner in owners for key in keys for name in owner[key]}


def _migrations(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for owner in (manifest["server"], *manifest["plugins"]):
        for each in owner["migrations"]:
            yield f"{owner.get('name', 'core')}/{each['file']}", _short(each["sha256"])


def _short(digest: str) -> str:
    return digest[:12]


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="./bazelw run //editions:diff --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("editions", nargs=2, metavar="EDITION", help="a target, a file, or a manifest")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        one, other = find(options.editions)
    except NoEdition as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = differences(one, other)
    if options.json:
        sides = [{"file": str(each.path), "edition": each.manifest["edition"]} for each in (one, other)]
        print(json.dumps({"schema": SCHEMA, "equal": not found, "editions": sides, "differences": found}, indent=2))
    else:
        print("\n".join(as_text(found)) if found else "nothing differs")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
