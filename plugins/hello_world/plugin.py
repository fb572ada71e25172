"""What the plugin adds: a table of greetings and a route that makes one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from core.endpoints import RestRoute
from core.migration import PluginMigration
from core.plugin import Plugin
from core.plugin_services import PluginServices
from plugins.hello_world.repository import GreetingRepository
from plugins.hello_world.rest import routes

NAME = "hello-world"
VERSION = "0.1.0"


class HelloWorldPlugin(Plugin):
    """Greets people and remembers them."""

    name = NAME
    version = VERSION

    def migrations(self) -> Sequence[PluginMigration]:
        """Create the table of greetings."""
        return PluginMigration.from_folder(files(__package__) / "migrations")

    def rest_routes(self, services: PluginServices) -> Sequence[RestRoute]:
        """``POST /api/v1/p/hello-world/greetings``."""
        return routes(GreetingRepository(services.database))
