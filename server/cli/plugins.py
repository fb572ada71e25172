"""Print the plugins of this edition."""

from __future__ import annotations

import argparse
import json
import sys

from server.boot.edition import Edition

SCHEMA = 1
"""Version of the JSON form."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Print the plugins."""
    plugins = edition.build_info.plugins
    if arguments.json:
        added = edition.contributions or {}
        listed = [{"name": each.name, "version": each.version, **added.get(each.name, {})} for each in plugins]
        sys.stdout.write(json.dumps({"schema": SCHEMA, "plugins": listed}, indent=2) + "\n")
    else:
        sys.stdout.write(
            "".join(f"{plugin.name} {plugin.version}\n" for plugin in plugins) or "this edition has no plugins\n"
        )
    return 0
