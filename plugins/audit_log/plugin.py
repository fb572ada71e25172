"""The plugin audit-log: an observer that records calls, and routes and RPCs to read, verify and delete the records."""

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
    """Records of calls: principal, action, resource, address and outcome."""

    name = NAME
    version = VERSION
    plugin_api = ">=1.0,<2"

    def migrations(self) -> Sequence[PluginMigration]:
        """Create the tables of events, chains and retention."""
        return PluginMigration.from_folder(files(__package__) / "migrations")

    def config(self) -> ConfigSection:
        """Read ``[plugins.audit_log]``."""
        return ConfigSection(AuditLogConfig)

    def setup(self, services: PluginServices) -> None:
        """Make the parts that the hooks share."""
        self._parts = _Parts(services)

    def rest_routes(self) -> Sequence[RestRoute]:
        """``/api/v1/p/audit-log/…``."""
        return AuditRest(self._parts.service, self._parts.recorder, self._parts.config).routes()

    def openapi(self) -> OpenApiFragment:
        """Describe the routes."""
        return OpenApiFragment("The caller's tenant's log of calls; to operators, the log of calls without a tenant.")

    def grpc_services(self) -> Sequence[GrpcService]:
        """``flovyn.plugins.audit_log.v1.AuditService``."""
        return (AuditRpc(self._parts.service).service(),)

    def observers(self) -> Sequence[CallObserver]:
        """Record calls."""
        return (self._parts.observer,)

    def background_services(self) -> Sequence[Service]:
        """Write queued events, in every process; delete expired ones, in one."""
        return (self._parts.recorder, self._parts.pruning)

    async def on_shutdown(self) -> None:
        """Write the events that are still queued."""
        await self._parts.close()


class _Parts:
    """The objects that the hooks of one process share."""

    def __init__(self, services: PluginServices) -> None:
        config = services.settings
        assert isinstance(config, AuditLogConfig)
        events = EventRepository(services.database)
        retention = RetentionRepository(services.database, config.refusals_keep_days)
        self.config = config
        self.service = AuditService(events, retention, services.cursors)
        self.recorder = Recorder(events, config, services.metrics, services.logger)
        self.pruner = Pruner(retention, services.clock, config.prune_interval, services.logger)
        self.pruning = services.once_per_deployment(self.pruner)
        self.observer: BestEffortObserver = BestEffortObserver(self.recorder, config)
        if config.mode is Mode.REQUIRED:
            self.observer = RequiredObserver(self.recorder, config, events, services.logger)

    async def close(self) -> None:
        if isinstance(self.observer, RequiredObserver):
            await self.observer.close()
        await self.recorder.close()
