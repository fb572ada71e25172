"""Print the OpenAPI document of this edition, which a server serves at /api/docs/openapi.json."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from server.boot.edition import Edition
from server.boot.preparation import configure
from server.config.load import Sources

_ANY = {"DATABASE_URL": "postgres://nowhere"}
"""The document does not depend on any setting; this one is required."""


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare no arguments: the document is JSON in any case."""


def run(edition: Edition, _arguments: argparse.Namespace) -> int:
    """Print the document; needs no configuration and no database."""
    sys.stdout.write(json.dumps(asyncio.run(_document(edition)), indent=2) + "\n")
    return 0


async def _document(edition: Edition) -> dict[str, Any]:
    from server.boot.database import no_database
    from server.boot.startup import without_serving

    prepared = configure(edition, Sources({}, _ANY))
    async with no_database(prepared.settings) as database, without_serving(prepared, database) as plugins:
        return plugins.openapi()
