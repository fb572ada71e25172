"""Print the manifest: plugins with all that they add, wheels with licences, and the digest of every member."""

from __future__ import annotations

import argparse
import json
import sys

from server.boot.edition import Edition

MIB = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print the whole manifest as JSON")


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Print the manifest, or a summary of it."""
    text = edition.document("manifest.json").decode()
    if arguments.json:
        sys.stdout.write(text)
        return 0
    manifest = json.loads(text)
    sys.stdout.write(
        f"edition {manifest['edition']} {manifest['version']}, Python {manifest['python']}, {manifest['platform']}\n"
        f"lock {manifest['lock']}, {len(manifest['members'])} members\n"
    )
    for kind in ("plugins", "wheels"):
        sys.stdout.write(f"{kind}:\n")
        for each in manifest[kind]:
            digest = each["sha256" if kind == "wheels" else "source_sha256"]
            named = f"{each['name']} {each['version']}"
            sys.stdout.write(f"  {named:<32} {each['size'] / MIB:7.2f} MiB  {digest}\n")
    return 0
