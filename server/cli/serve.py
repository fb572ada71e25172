"""Serve until stopped."""

from __future__ import annotations

import argparse
import asyncio
import os

from server.config.load import read_sources
from server.edition import Edition
from server.observability.logging import configure as configure_logging
from server.process.run import serve
from server.startup import configure, prepare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "CONFIG_FILE names a TOML file; DATABASE_URL, SERVER_PORT and GRPC_SERVER_PORT win over it."


def run(edition: Edition, _arguments: argparse.Namespace) -> int:
    """Check everything, migrate, then serve."""
    prepared = configure(edition, read_sources(os.environ))
    configure_logging(prepared.settings.log)
    asyncio.run(prepare(prepared))
    serve(prepared)
    return 0
