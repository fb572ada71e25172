"""An example of every hook of a plugin. Delete those that your plugin does not need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from pydantic import BaseModel

from core.auth import Authenticator, Authorizer
from core.calls import CallObserver
from core.endpoints import GrpcService, RestRoute
from core.errors import PluginError
from core.migration import PluginMigration
from core.openapi import OpenApiFragment
from core.pages import ConsolePage, Site, SitePage
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.service import Service
from core.settings import ConfigSection
from plugins.hello_world.auth import ReadOnlyAuthorizer, VisitorAuthenticator
from plugins.hello_world.cleaner import Cleaner
from plugins.hello_world.config import HelloWorldConfig
from plugins.hello_world.observer import RefusalCounter
from plugins.hello_world.repository import GreetingRepository
from plugins.hello_world.rest import routes
from plugins.hello_world.rpc import GreetingService

NAME = "hello-world"
VERSION = "0.1.0"
AUTHENTICATOR = "hello_world"
AUTHORIZER = "hello_world_read_only"


class HelloWorldPlugin(Plugin):
    """Greets people and remembers them."""

    name = NAME
    version = VERSION
    plugin_api = ">=1.1,<2"

    def migrations(self) -> Sequence[PluginMigration]:
        """Create the table of greetings."""
        return PluginMigration.from_folder(files(__package__) / "migrations")

    def config(self) -> ConfigSection:
        """Read ``[plugins.hello_world]``."""
        return ConfigSection(HelloWorldConfig)

    def setup(self, services: PluginServices) -> None:
        """Make the parts that the hooks share."""
        assert isinstance(services.settings, HelloWorldConfig)
        self._settings = services.settings
        self._greetings = GreetingRepository(services.database)
        self._refusals = RefusalCounter(services.metrics)
        cleaner = Cleaner(self._greetings, self._settings.keep_days, services.logger)
        self._cleaner = services.once_per_deployment(cleaner)
        self._logger = services.logger

    def rest_routes(self) -> Sequence[RestRoute]:
        """``POST`` and ``GET /api/v1/p/hello-world/greetings``."""
        return routes(self._greetings)

    def site(self) -> Site:
        """``/hello-world``: a page for browsers that are signed in; its files are open to everybody."""
        pages = (SitePage("", "index.html", "The greetings of a tenant"),)
        return Site("/hello-world", files(__package__) / "site", pages)

    def console_pages(self) -> Sequence[ConsolePage]:
        """The same list inside of the console, in an edition with a console."""
        return [ConsolePage("/greetings", "Greetings", "greetings.js")]

    def openapi(self) -> OpenApiFragment:
        """Describe the plugin in the server's OpenAPI document."""
        return OpenApiFragment(description="Greets people and remembers them.")

    def grpc_services(self) -> Sequence[GrpcService]:
        """``flovyn.plugins.hello_world.v1.GreetingService``."""
        return [GreetingService(self._greetings).service()]

    def authenticator_names(self) -> Sequence[str]:
        """Offer the authenticator to the configuration."""
        return (AUTHENTICATOR,)

    def default_authenticators(self, settings: BaseModel | None) -> Sequence[str]:
        """Check calls only where the configuration lists the authenticator."""
        return ()

    def authenticators(self) -> Mapping[str, Authenticator]:
        """Admit the visitor; without a key and a tenant the start is refused."""
        settings = self._settings
        if settings.visitor_key is None or settings.visitor_tenant is None:
            raise PluginError("set visitor_key and visitor_tenant in [plugins.hello_world]")
        key = settings.visitor_key.get_secret_value()
        return {AUTHENTICATOR: VisitorAuthenticator(key, settings.visitor_tenant)}

    def authorizer_names(self) -> Sequence[str]:
        """Offer the authorizer to the configuration."""
        return (AUTHORIZER,)

    def authorizers(self) -> Mapping[str, Authorizer]:
        """Return the authorizer."""
        return {AUTHORIZER: ReadOnlyAuthorizer()}

    def observers(self) -> Sequence[CallObserver]:
        """Count refusals."""
        return [self._refusals]

    def background_services(self) -> Sequence[Service]:
        """Delete old greetings, in one process of the deployment."""
        return [self._cleaner]

    async def on_startup(self) -> None:
        """Log that the plugin is ready."""
        self._logger.debug("hello-world %s is ready", VERSION)
