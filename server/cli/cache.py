"""List and remove the editions that were unpacked on this machine; one that runs is never removed."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from core.errors import NotFound
from server.cli.in_use import own_root
from server.cli.pex_cache import JUST_STARTED_S, Unpacked, remove, unpacked
from server.edition import Edition

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
            action.add_argument("--older-than", type=_days, default=DEFAULT_DAYS, metavar="DAYS", help=older)
            action.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def _days(text: str) -> float:
    days = float(text)
    if not (math.isfinite(days) and days >= 0):
        raise ValueError(text)
    return days


def run(_edition: Edition, arguments: argparse.Namespace) -> int:
    """List or remove."""
    root = own_root()
    if root is None:
        raise NotFound("this server was not started from an edition's file, so nothing was unpacked for it")
    found = unpacked(root)
    if arguments.action == "list":
        _print(root, "unpacked", found, as_json=arguments.json)
        return 0
    before = time.time() - max(arguments.older_than * DAY_S, JUST_STARTED_S)
    chosen = [each for each in found if each.last_use <= before and not each.running]
    if arguments.dry_run:
        _print(root, "would_remove", chosen, as_json=arguments.json)
    else:
        _print(root, "removed", remove(root, chosen) if chosen else [], as_json=arguments.json)
    return 0


def _print(root: Path, heading: str, editions: Sequence[Unpacked], *, as_json: bool) -> None:
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
        sys.stdout.write(json.dumps({"schema": SCHEMA, "root": str(root), heading: listed}, indent=2) + "\n")
        return
    total = sum(each.size for each in editions) / 1e6
    sys.stdout.write(f"{heading.replace('_', ' ')} in {root}: {len(editions)} editions, {total:.1f} MB\n")
    for each in editions:
        running = "running" if each.running else ""
        size = f"{each.size / 1e6:.1f} MB"
        sys.stdout.write(
            f"  {each.edition:<16} {each.version:<12} {size:>9}  {_when(each.last_use)}  {running}".rstrip() + "\n"
        )


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
