"""The class every plugin derives from.

A plugin is chosen when an edition is built. The edition's generated boot module names its class;
nothing happens by importing it. Each server process makes one instance; hooks that take
``PluginServices`` run in every worker process, ``migrations`` and ``config`` also in the supervising process.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import ClassVar

from core.auth import Authenticator, Authorizer, TokenIssuer
from core.endpoints import GrpcService, RestRoute
from core.errors import PluginError
from core.migration import PluginMigration
from core.plugin_services import PluginServices
from core.settings import ConfigSection

__all__ = ["Plugin", "PluginError"]


class Plugin(ABC):
    """One feature of the server.

    Attributes:
        name: lower-case words joined by hyphens (``core.migration.check_plugin_name``); equals the
            folder's name with hyphens, and decides the place of everything the plugin adds.
        version: version of the plugin.
    """

    name: ClassVar[str]
    version: ClassVar[str]

    def migrations(self) -> Sequence[PluginMigration]:
        """Return the plugin's migrations; run once per deployment, before any worker starts."""
        return ()

    def config(self) -> ConfigSection | None:
        """Return where the plugin's settings come from; None when it has none."""
        return None

    def rest_routes(self, services: PluginServices) -> Sequence[RestRoute]:
        """Return REST routes with relative paths; served below ``/api/v1/p/<name>/``."""
        return ()

    def grpc_services(self, services: PluginServices) -> Sequence[GrpcService]:
        """Return gRPC services of the package ``flovyn.plugins.<name_with_underscores>.v1``."""
        return ()

    def authenticators(self, services: PluginServices) -> Mapping[str, Authenticator]:
        """Return authenticators by the name that the configuration lists.

        Called only for those that the configuration enables somewhere.

        Raises:
            PluginError: an authenticator cannot work with these settings; the start is refused.
        """
        return {}

    def authenticator_names(self) -> Sequence[str]:
        """Return the names of ``authenticators``, known before there are services."""
        return ()

    def authorizers(self, services: PluginServices) -> Mapping[str, Authorizer]:
        """Return authorizers by the name that the configuration uses."""
        return {}

    def token_issuer(self, services: PluginServices) -> TokenIssuer | None:
        """Return what issues worker credentials, for the command line; None when the plugin cannot."""
        return None

    async def on_startup(self, services: PluginServices) -> None:
        """Prepare the process; runs last, in every worker process, before it takes requests."""

    async def on_shutdown(self) -> None:
        """Release what ``on_startup`` took; runs when no more requests are served."""
