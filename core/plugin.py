"""The class from which every plugin is derived.

A plugin is chosen when an edition is built. The edition's generated boot module names its class; an import alone
registers nothing. Everything but the name, the version and the range of Plugin API versions is optional.

When the hooks run:

- At build time, all hooks that declare something run with default settings, so that the build can check the edition as
  a set. The declarations of a plugin (names, routes, services) must not depend on its settings.
- Once per deployment: ``migrations``, before any worker starts; and all work that a plugin puts into
  ``services.exclusively`` or ``services.once_per_deployment``.
- Once per process: every other hook, on the one instance of the process. ``setup`` comes first and brings the services;
  only ``migrations``, ``config``, the names of authenticators and authorizers, and ``default_authenticators`` may run
  without it. The supervising process rehearses the hooks up to ``authorizers`` and never runs ``on_startup`` or
  background services.

A hook that raises or returns a value of another type stops the start with the plugin's name, the hook and the reason.
So does a hook that takes longer than ``HOOK_TIMEOUT_S``; one that never returns is named in the log.
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
from core.pages import ConsolePage, Site
from core.plugin_services import PluginServices
from core.service import Service
from core.settings import ConfigSection
from core.tracing import Tracer

__all__ = ["HOOK_TIMEOUT_S", "Plugin", "PluginError"]

HOOK_TIMEOUT_S = 20
"""How long a hook may take, in seconds. All ``on_shutdown`` hooks together have less: ``process.drain_timeout``."""


class Plugin(ABC):
    """One feature of the server.

    Attributes:
        name: lower-case words joined by hyphens (``core.migration.check_plugin_name``); equals the folder's name with
            hyphens, and is part of the name of everything that the plugin adds.
        version: version of the plugin.
        plugin_api: versions of the Plugin API that it works with, such as ``>=1.0,<2`` (``core.plugin_api``). The build
            reads it from the source, where it must be a literal, and refuses a plugin that this server does not fit.
        requires: names of plugins that must be in each edition with this one; a literal, too. It may call their routes
            and RPCs, and must not import their code.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    plugin_api: ClassVar[str]
    requires: ClassVar[Sequence[str]] = ()

    def migrations(self) -> Sequence[PluginMigration]:
        """Return the plugin's migrations; they run once per deployment, before any worker starts."""
        return ()

    def config(self) -> ConfigSection | None:
        """Return the model and the sources of the plugin's settings; None when it has none."""
        return None

    def authenticator_names(self) -> Sequence[str]:
        """Return the names of ``authenticators``."""
        return ()

    def default_authenticators(self, settings: BaseModel | None) -> Sequence[str]:
        """Return the names of those that check calls where the configuration lists no authenticators; by default all.

        An authenticator that cannot work without settings is left out until there are some.
        """
        return self.authenticator_names()

    def authorizer_names(self) -> Sequence[str]:
        """Return the names of ``authorizers``."""
        return ()

    def setup(self, services: PluginServices) -> None:
        """Make the parts that the hooks below share; called once per instance, before all of them.

        At build time the services have nothing behind them and the settings have their defaults: store them, pass
        them on, and call nothing but ``services.metrics``.
        """

    def rest_routes(self) -> Sequence[RestRoute]:
        """Return REST routes with relative paths; served below ``/api/v1/p/<name>/``."""
        return ()

    def site(self) -> Site | None:
        """Return the pages of the plugin and their files; see ``core.pages``. None when it has none."""
        return None

    def console_pages(self) -> Sequence[ConsolePage]:
        """Return pages that the console shows, in an edition with a console."""
        return ()

    def openapi(self) -> OpenApiFragment | None:
        """Return additions to the OpenAPI document, beyond what the routes and their models state."""
        return None

    def grpc_services(self) -> Sequence[GrpcService]:
        """Return gRPC services of the package ``flovyn.plugins.<name_with_underscores>.v1``."""
        return ()

    def authenticators(self) -> Mapping[str, Authenticator]:
        """Return authenticators by the name that the configuration lists.

        Called only when the configuration enables one of them for some route.

        Raises:
            PluginError: an authenticator cannot work with these settings; the start is refused.
        """
        return {}

    def authorizers(self) -> Mapping[str, Authorizer]:
        """Return authorizers by the name that the configuration uses; called only when it uses one of them."""
        return {}

    def observers(self) -> Sequence[CallObserver]:
        """Return observers of every call of the process; see ``core.calls``."""
        return ()

    def background_services(self) -> Sequence[Service]:
        """Return services that run as long as the process serves; they start after ``on_startup``.

        The server restarts one that ends. Every worker process runs them; ``services.once_per_deployment`` makes one
        that a single process runs.
        """
        return ()

    def token_issuer(self) -> TokenIssuer | None:
        """Return the issuer of worker credentials, for the command line; None when the plugin has none."""
        return None

    def tracer(self) -> Tracer | None:
        """Return the tracer of the process, after ``on_startup``; None when the plugin has none.

        At most one plugin of an edition may have one.
        """
        return None

    async def on_startup(self) -> None:
        """Prepare the process; runs in every worker process, before it takes requests."""

    async def on_shutdown(self) -> None:
        """Release what ``on_startup`` acquired; runs when the process serves no more requests."""
