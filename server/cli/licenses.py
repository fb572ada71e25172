"""The command ``licenses``: prints the licences of the server, of wheels and npm packages, and of PEX's boot code."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

from server.boot.edition import Edition

NOT_DECLARED = "not declared"
SCHEMA = 1
"""Version of the JSON form."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--texts", action="store_true", help="print the texts of the licences as well")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(edition: Edition, arguments: argparse.Namespace) -> int:
    """Print the licences."""
    manifest = json.loads(edition.document("manifest.json"))
    server = {"name": "flovyn-server", "version": manifest["version"], "license": manifest["license"]}
    wheels = [*manifest["wheels"], manifest["boot"]]
    found = [_entry(wheel, with_texts=arguments.texts) for wheel in wheels]
    npm = [
        _entry(package, with_texts=arguments.texts, folder=plugin["entry"].rpartition(".")[0])
        for plugin in manifest["plugins"]
        for package in plugin["npm"]
    ]
    if arguments.json:
        sys.stdout.write(json.dumps({"schema": SCHEMA, "server": server, "wheels": found, "npm": npm}, indent=2) + "\n")
        return 0
    for each in [{**server, "license": server["license"] or NOT_DECLARED}, *found, *npm]:
        sys.stdout.write(f"{each['name'] + ' ' + each['version']:<32} {each['license']}\n")
        for name, text in each.get("texts", {}).items():
            sys.stdout.write(f"\n--- {each['name']}: {name} ---\n{text.rstrip()}\n\n")
    return 0


def _entry(component: Mapping[str, Any], *, with_texts: bool, folder: str = "") -> dict[str, Any]:
    """Return a wheel, or an npm package whose files a plugin's package ``folder`` holds."""
    entry = {key: component[key] for key in ("name", "version", "license")}
    if not with_texts:
        return entry
    return {**entry, "texts": dict(_npm_texts(component, folder) if folder else _texts(component))}


def _npm_texts(package: Mapping[str, Any], folder: str) -> Iterator[tuple[str, str]]:
    for name in package["license_files"]:
        yield name, (files(folder) / "site" / "vendor" / name).read_text(encoding="utf-8")


def _texts(wheel: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the files with licences, each with its text; the boot code of PEX has none."""
    try:
        installed = distribution(wheel["name"])
    except PackageNotFoundError:
        return
    for member in wheel.get("license_files", ()):
        inner = member.split("/", 2)[2]
        text = Path(str(installed.locate_file(inner))).read_text(encoding="utf-8", errors="replace")
        yield inner.partition("/")[2], text
