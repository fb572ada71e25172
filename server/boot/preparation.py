"""Checks before anything runs: the configuration, the set of plugins, the pending migrations."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.auth import Protocol
from core.errors import ConfigError, MigrationError, PluginError, one_line
from core.plugin import Plugin
from core.tenant import NewTenant
from server.auth.registry import AuthNames, AuthPlan, planned
from server.boot.edition import Edition
from server.config import Settings
from server.config.load import Sources, load
from server.database.addresses import direct
from server.database.connecting import Connection, connect, connect_patiently
from server.database.poolers import require_session
from server.migrator.migrator import Migrator
from server.plugin_registry import PluginRegistry


@dataclass(frozen=True, slots=True)
class Prepared:
    """The checked configuration, from which the worker processes start.

    ``development`` is set by ``flovyn-server dev`` alone.
    """

    edition: Edition
    sources: Sources
    settings: Settings
    auth: Mapping[Protocol, AuthPlan]
    development: bool = False


def configure(edition: Edition, sources: Sources, *, development: bool = False) -> Prepared:
    """Check the configuration and the set of plugins, without the database.

    Raises:
        StartupError: lists every problem.
    """
    settings: Settings | None = None
    registry: PluginRegistry | None = None
    problems = []
    try:
        settings = load(sources)
    except ConfigError as error:
        problems.append(str(error))
    try:
        registry = load_plugins(edition, sources)
    except ConfigError as error:
        problems.append(str(error))
    if settings is None or registry is None:
        raise ConfigError("\n".join(problems))
    known = AuthNames(registry.authenticator_names(), registry.default_authenticators(), registry.authorizer_names())
    return Prepared(edition, sources, settings, planned(settings, known), development)


def load_plugins(edition: Edition, sources: Sources) -> PluginRegistry:
    """Make the edition's plugins and give them their settings."""
    registry = make_plugins(edition)
    registry.load_settings(sources)
    return registry


def make_plugins(edition: Edition) -> PluginRegistry:
    """Make the edition's plugins, without settings."""
    registry = PluginRegistry()
    for plugin in _made(edition):
        registry.register(plugin)
    said = [plugin.name for plugin in edition.build_info.plugins]
    found = [plugin.name for plugin in registry.plugins()]
    if sorted(said) != found:
        raise PluginError(f"the edition says that it contains {said}, but its plugins call themselves {found}")
    return registry


def _made(edition: Edition) -> Sequence[Plugin]:
    """Return new plugins; the error of one that cannot be imported or made names the line that failed."""
    try:
        return edition.plugins()
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename}:{last.lineno}"
        raise PluginError(f"a plugin cannot be made: {one_line(error)} ({where})") from error


def make_migrator(prepared: Prepared) -> Migrator:
    """Return the migrator of the configured database, with the edition's proofs."""
    edition = prepared.edition
    name = f"{edition.build_info.edition} {edition.build_info.version}"
    return Migrator(lambda: make_connection(prepared.settings), edition.proofs, name)


async def make_connection(settings: Settings) -> Connection:
    """Open one connection with a session of its own to the configured database, as ``connect_patiently`` does.

    Raises:
        StartupError: the database cannot be reached, or a pooler in transaction mode is in the way.
    """
    limits, dsn = settings.database, direct(settings)
    connection = await connect_patiently(dsn, limits.connect_timeout, limits.startup_wait)
    try:
        await require_session(lambda: connect(dsn, limits.connect_timeout), connection, limits)
    except BaseException:
        await connection.close()
        raise
    return connection


def impatient(prepared: Prepared) -> Prepared:
    """Return the same without waiting for a database that cannot be reached."""
    limits = prepared.settings.database.model_copy(update={"startup_wait": 0.0})
    return replace(prepared, settings=prepared.settings.model_copy(update={"database": limits}))


async def migrate(prepared: Prepared) -> None:
    """Bring the database up to date.

    Raises:
        MigrationError: migrations are refused, or pending while ``auto_migrate`` is off.
    """
    registry = load_plugins(prepared.edition, prepared.sources)
    migrator = make_migrator(prepared)
    if prepared.settings.auto_migrate:
        await registry.run_migrations(migrator)
        return
    pending = (await migrator.plan(registry.owners())).pending
    if pending:
        listed = "\n".join(f"  {each}" for each in pending)
        raise MigrationError(f"auto_migrate is off and migrations are pending; run 'flovyn-server migrate':\n{listed}")


def configured_tenants(settings: Settings) -> list[NewTenant]:
    """Return the tenants of the configuration."""
    return [NewTenant(each.id, each.slug, each.name, each.tier, each.region) for each in settings.tenants]
