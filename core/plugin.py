"""The class every plugin derives from.

A plugin is chosen when an edition is built. The edition's generated boot module names its class; nothing happens by
importing it. Everything but the name and the version is optional.

What runs where:

- once per build: all hooks that declare something are asked with default settings, so that the build can check the
  edition as a set. What a plugin declares (names, routes, services) must not depend on its settings.
- once per deployment: ``migrations``, before any worker starts; and whatever a plugin puts into
  ``services.exclusively`` or ``services.once_per_deployment``.
- once per process: every other hook, on the one instance that the process makes. The supervising process rehearses the
  hooks up to ``authorizers`` and never runs ``on_startup`` or background services.

A hook that raises, returns nonsense or does not return within ``HOOK_TIMEOUT_S`` stops the start with the plugin's
name, the hook and the reason.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from core.auth import Authenticator, Authorizer, TokenIssuer
from core.calls import CallObserver
from core.endpoints import GrpcService, RestRoute
from core.errors import PluginError
from core.migration import PluginMigration
from core.openapi import OpenApiFragment
from core.plugin_services import PluginServices
from core.service import Service
from core.settings import ConfigSection

__all__ = ["HOOK_TIMEOUT_S", "Plugin", "PluginError"]

HOOK_TIMEOUT_S = 20
"""How long a hook may take, in seconds; ``on_shutdown`` has less (``process.drain_timeout`` is for all of them)."""


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

    def openapi(self) -> OpenApiFragment | None:
        """Return what the OpenAPI document should say beyond what the routes say by themselves."""
        return None

    def grpc_services(self, services: PluginServices) -> Sequence[GrpcService]:
        """Return gRPC services of the package ``flovyn.plugins.<name_with_underscores>.v1``."""
        return ()

    def authenticator_names(self) -> Sequence[str]:
        """Return the names of ``authenticators``, known before there are services."""
        return ()

    def default_authenticators(self, settings: BaseModel | None) -> Sequence[str]:
        """Return those that check calls where the configuration lists no authenticators; all, unless overridden.

        For an authenticator that cannot work until somebody configures it: none until then.
        """
        return self.authenticator_names()

    def authenticators(self, services: PluginServices) -> Mapping[str, Authenticator]:
        """Return authenticators by the name that the configuration lists.

        Called only when the configuration enables one of them somewhere.

        Raises:
            PluginError: an authenticator cannot work with these settings; the start is refused.
        """
        return {}

    def authorizer_names(self) -> Sequence[str]:
        """Return the names of ``authorizers``, known before there are services."""
        return ()

    def authorizers(self, services: PluginServices) -> Mapping[str, Authorizer]:
        """Return authorizers by the name that the configuration uses; called only when it uses one of them."""
        return {}

    def observers(self, services: PluginServices) -> Sequence[CallObserver]:
        """Return what wants to see every call of the process; see ``core.calls``."""
        return ()

    def background_services(self, services: PluginServices) -> Sequence[Service]:
        """Return what runs for as long as the process serves; started after ``on_startup``, restarted when it ends.

        Every worker process runs them; ``services.once_per_deployment`` makes one that a single process runs.
        """
        return ()

    def token_issuer(self, services: PluginServices) -> TokenIssuer | None:
        """Return what issues worker credentials, for the command line; None when the plugin cannot."""
        return None

    async def on_startup(self, services: PluginServices) -> None:
        """Prepare the process; runs in every worker process, before it takes requests."""

    async def on_shutdown(self) -> None:
        """Release what ``on_startup`` took; runs when no more requests are served."""
