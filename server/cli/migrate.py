"""Bring the database up to date and exit; safe to run by many at once, and again."""

from __future__ import annotations

import argparse
import asyncio
import sys

from server.cli.database import prepared
from server.database.migrator import Migrator
from server.database.pool import connect
from server.edition import Edition
from server.startup import Prepared, load_plugins


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Declare no arguments."""


def run(edition: Edition, _arguments: argparse.Namespace) -> int:
    """Apply what is pending and list it."""
    applied = asyncio.run(apply(edition, prepared(edition)))
    sys.stdout.write("".join(f"applied {each}\n" for each in applied) or "nothing to do: the database is up to date\n")
    return 0


async def apply(edition: Edition, ready: Prepared) -> list[str]:
    """Apply what is pending and return what that was.

    Raises:
        StartupError: the database cannot be reached, or a migration is refused.
    """
    registry = load_plugins(edition, ready.sources)
    settings = ready.settings
    async with await connect(settings.database_url.get_secret_value(), settings.database.connect_timeout) as connection:
        migrator = Migrator(connection, edition.checked_migrations, edition.build_info.edition)
        return [str(each) for each in await migrator.apply(registry.owners())]
