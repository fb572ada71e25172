"""Print the version and what was built."""

from __future__ import annotations

import argparse
import json
import sys

from server.boot.edition import Edition


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Print the edition's build information."""
    info = edition.build_info
    if arguments.json:
        sys.stdout.write(json.dumps(info.as_json(), indent=2) + "\n")
        return 0
    commit = (
        f", commit {info.commit[:12]}{' with changes' if info.dirty else ''} of {info.commit_date}"
        if info.commit
        else ""
    )
    platform = f"Python {info.python} on {info.platform}"
    sys.stdout.write(f"flovyn-server {info.version}, edition {info.edition}, {platform}{commit}\n")
    for plugin in info.plugins:
        sys.stdout.write(f"  {plugin.name} {plugin.version}\n")
    return 0
