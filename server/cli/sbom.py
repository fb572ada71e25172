"""Print the software bill of materials, a CycloneDX document (JSON)."""

from __future__ import annotations

import argparse
import sys

from server.boot.edition import Edition


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="the same: JSON is its only form")


def run(edition: Edition, _arguments: argparse.Namespace) -> int:
    """Print the document, as the build wrote it."""
    sys.stdout.write(edition.document("sbom.cdx.json").decode())
    return 0
