"""Serve until stopped."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os

from server.boot.edition import Edition
from server.boot.preparation import Prepared, configure
from server.boot.startup import prepare
from server.config.differing import database_of, differing
from server.config.load import read_sources
from server.observability.logging import configure as configure_logging
from server.observability.metrics import shared_folder
from server.process.collector import not_collecting
from server.process.gunicorn_app import serve
from server.process.signals import exit_on_sigterm

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = "CONFIG_FILE names a TOML file; DATABASE_URL, SERVER_PORT and GRPC_SERVER_PORT win over it."


def run(edition: Edition, _arguments: argparse.Namespace) -> int:
    """Check everything, migrate, then serve."""
    return serve_edition(edition, development=False)


def serve_edition(edition: Edition, *, development: bool) -> int:
    """Check everything, migrate, then serve; with ``development``, what is unsafe elsewhere may be switched on."""
    exit_on_sigterm(0)  # as gunicorn does later on
    with shared_folder():
        with not_collecting():
            prepared = configure(edition, read_sources(os.environ), development=development)
            configure_logging(prepared.settings.log)
            asyncio.run(prepare(prepared))
        _tell(prepared)
        serve(prepared)
    return 0


def _tell(prepared: Prepared) -> None:
    """Log what starts: the edition, the database, and the settings that differ from their defaults."""
    info, settings = prepared.edition.build_info, prepared.settings
    plugins = [plugin.name for plugin in info.plugins]
    database = database_of(settings)
    facts = {"plugins": plugins, "database": database, "settings": differing(settings)}
    _log.info("edition %s %s starts on the database %s", info.edition, info.version, database, extra=facts)
