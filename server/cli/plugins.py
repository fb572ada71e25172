"""Print the plugins of this edition."""

from __future__ import annotations

import argparse
import json
import sys

from core.plugin_api import PLUGIN_API_VERSION
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
        built = json.loads(edition.document("edition.json"))["plugins"] if edition.package else []
        needs = {each["name"]: {key: each[key] for key in ("plugin_api", "requires")} for each in built}
        added = edition.contributions or {}
        listed = [
            {"name": each.name, "version": each.version, **needs.get(each.name, {}), **added.get(each.name, {})}
            for each in plugins
        ]
        found = {"schema": SCHEMA, "plugin_api": PLUGIN_API_VERSION, "plugins": listed}
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write(
            "".join(f"{plugin.name} {plugin.version}\n" for plugin in plugins) or "this edition has no plugins\n"
        )
    return 0
