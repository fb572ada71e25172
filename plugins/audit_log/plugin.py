"""What the plugin adds: an observer of calls, the tables of what it saw, and ways to read, verify and prune them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from core.calls import CallObserver
from core.endpoints import GrpcService, RestRoute
from core.migration import PluginMigration
from core.openapi import OpenApiFragment
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.service import Service
from core.settings import ConfigSection
from plugins.audit_log.config import AuditLogConfig, Mode
from plugins.audit_log.observer import BestEffortObserver, RequiredObserver
from plugins.audit_log.pruner import Pruner
from plugins.audit_log.recorder import Recorder
from plugins.audit_log.repository import EventRepository, RetentionRepository
from plugins.audit_log.rest import AuditRest
from plugins.audit_log.rpc import AuditRpc
from plugins.audit_log.service import AuditService

NAME = "audit-log"
VERSION = "0.2.0"


class AuditLogPlugin(Plugin):
    """Who did what to which resource, from where, with what outcome."""

    name = NAME
    version = VERSION

    def __init__(self) -> None:
        """Start without parts; they are made when the first hook brings services."""
        self._parts: _Parts | None = None

    def migrations(self) -> Sequence[PluginMigration]:
        """Create the tables of events, chains and retention."""
        return PluginMigration.from_folder(files(__package__) / "migrations")

    def config(self) -> ConfigSection:
        """Read ``[plugins.audit_log]``."""
        return ConfigSection(AuditLogConfig)

    def rest_routes(self, services: PluginServices) -> Sequence[RestRoute]:
        """``/api/v1/p/audit-log/…``."""
        parts = self._made(services)
        return AuditRest(parts.service, parts.recorder, parts.config).routes()

    def openapi(self) -> OpenApiFragment:
        """Say what the routes have in common."""
        return OpenApiFragment("The caller's tenant's log of calls; to operators, the log of what belongs to none.")

    def grpc_services(self, services: PluginServices) -> Sequence[GrpcService]:
        """``flovyn.plugins.audit_log.v1.AuditService``."""
        return (AuditRpc(self._made(services).service).service(),)

    def observers(self, services: PluginServices) -> Sequence[CallObserver]:
        """Record calls."""
        return (self._made(services).observer,)

    def background_services(self, services: PluginServices) -> Sequence[Service]:
        """Write what is queued, in every process; prune, in one."""
        parts = self._made(services)
        return (parts.recorder, services.once_per_deployment(parts.pruner))

    async def on_shutdown(self) -> None:
        """Write what still waits."""
        if self._parts is not None:
            await self._parts.close()

    def _made(self, services: PluginServices) -> _Parts:
        if self._parts is None:
            self._parts = _Parts(services)
        return self._parts


class _Parts:
    """What the hooks share in a process."""

    def __init__(self, services: PluginServices) -> None:
        config = services.settings
        assert isinstance(config, AuditLogConfig)
        events = EventRepository(services.database)
        retention = RetentionRepository(services.database, config.refusals_keep_days)
        self.config = config
        self.service = AuditService(events, retention)
        self.recorder = Recorder(events, config, services.metrics, services.logger)
        self.pruner = Pruner(retention, services.clock, config.prune_interval, services.logger)
        self.observer: BestEffortObserver = BestEffortObserver(self.recorder, config)
        if config.mode is Mode.REQUIRED:
            self.observer = RequiredObserver(self.recorder, config, events, services.logger)

    async def close(self) -> None:
        if isinstance(self.observer, RequiredObserver):
            await self.observer.close()
        await self.recorder.close()
