"""List and remove the editions that were unpacked on this machine; one that runs is never removed."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import NotFound
from server.boot.edition import Edition
from server.cli import scie_cache
from server.cli.in_use import own_root
from server.cli.parsers import number
from server.cli.pex_cache import JUST_STARTED_S, Unpacked, remove, unpacked
from server.cli.scie_cache import Carried

DAY_S = 86_400
DEFAULT_DAYS = 30.0
SCHEMA = 1
"""Version of the JSON form."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    for name, text in (
        ("list", "list unpacked editions: size, last start, and which of them run"),
        ("prune", "remove those that run nowhere and were not started lately, and what only they use"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--json", action="store_true", help="print JSON")
        if name == "prune":
            older = "keep what was started within this many days (default: %(default)g)"
            action.add_argument("--older-than", type=number("days"), default=DEFAULT_DAYS, metavar="DAYS", help=older)
            action.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def run(_edition: Edition, arguments: argparse.Namespace) -> int:
    """List or remove."""
    root = own_root()
    if root is None:
        raise NotFound("this server was not started from an edition's file, so nothing was unpacked for it")
    home = scie_cache.home_of(root)
    places = scie_cache.roots(home) if home else [root]
    found = _Found({place: unpacked(place) for place in places}, scie_cache.carried(home) if home else [])
    if arguments.action == "list":
        _print(home or root, "unpacked", found, as_json=arguments.json)
        return 0
    before = time.time() - max(arguments.older_than * DAY_S, JUST_STARTED_S)
    chosen = found.unused_since(before)
    if arguments.dry_run:
        _print(home or root, "would_remove", chosen, as_json=arguments.json)
    else:
        _print(home or root, "removed", _removed(chosen, home), as_json=arguments.json)
    return 0


@dataclass(frozen=True, slots=True)
class _Found:
    """Unpacked editions by the PEX root that they are in, and what files with their own interpreter have unpacked."""

    editions: Mapping[Path, Sequence[Unpacked]]
    carried: Sequence[Carried]

    def unused_since(self, before: float) -> _Found:
        """Return editions not running and not started since then; an interpreter only with all its editions."""
        editions = {
            root: [each for each in all_ if each.last_use <= before and not each.running]
            for root, all_ in self.editions.items()
        }
        going = {root.name for root, all_ in editions.items() if len(all_) == len(self.editions[root])}
        carried = [
            each for each in self.carried if each.last_use <= before and (not each.needed or each.path.name in going)
        ]
        return _Found(editions, carried)


def _removed(chosen: _Found, home: Path | None) -> _Found:
    """Remove, and return the removed. Interpreters come after the editions that were made with them."""
    editions = {root: remove(root, all_) if all_ else [] for root, all_ in chosen.editions.items()}
    carried = scie_cache.remove(chosen.carried)
    if home:
        scie_cache.sweep(home)
    return _Found(editions, carried)


def _print(root: Path, heading: str, found: _Found, *, as_json: bool) -> None:
    editions = [each for all_ in found.editions.values() for each in all_]
    if as_json:
        listed = [
            {
                "edition": each.edition,
                "version": each.version,
                "path": str(each.path),
                "bytes": each.size,
                "last_use": _when(each.last_use),
                "running": each.running,
            }
            for each in editions
        ]
        carried = [
            {"path": str(each.path), "bytes": each.size, "last_use": _when(each.last_use), "needed": each.needed}
            for each in found.carried
        ]
        document = {"schema": SCHEMA, "root": str(root), heading: listed, "carried": carried}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    total = (sum(each.size for each in editions) + sum(each.size for each in found.carried)) / 1e6
    sys.stdout.write(f"{heading.replace('_', ' ')} in {root}: {len(editions)} editions, {total:.1f} MB\n")
    for each in editions:
        running = "running" if each.running else ""
        sys.stdout.write(_line(f"{each.edition:<16} {each.version:<12}", each.size, each.last_use, running))
    for part in found.carried:
        name = f"{part.path.parent.name} {part.path.name[:12]}"
        sys.stdout.write(_line(f"{name:<29}", part.size, part.last_use, "needed" if part.needed else ""))


def _line(name: str, size: int, last_use: float, state: str) -> str:
    return f"  {name} {f'{size / 1e6:.1f} MB':>9}  {_when(last_use)}  {state}".rstrip() + "\n"


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
