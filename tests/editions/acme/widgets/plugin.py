"""A plugin that lives outside the repository: a table, a route with an alias, a gRPC service."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from widgets import widgets_pb2 as pb

from core.auth import Action, Identity
from core.endpoints import GrpcMethod, GrpcService, RestRoute
from core.migration import PluginMigration
from core.named_queries import named_queries
from core.plugin import Plugin
from core.plugin_services import PluginServices
from core.rest_model import RestModel, Text

NAME = "widgets"
VERSION = "1.0.0"

_SQL = named_queries(__package__, "queries.sql")


class Widget(RestModel):
    """A widget."""

    name: Text


class WidgetsPlugin(Plugin):
    """Keeps widgets."""

    name = NAME
    version = VERSION
    plugin_api = ">=1.0,<2"
    requires = ("worker-token",)

    def migrations(self) -> Sequence[PluginMigration]:
        """Create the table."""
        return PluginMigration.from_folder(files(__package__) / "migrations")

    def setup(self, services: PluginServices) -> None:
        """Keep the database for the handlers."""
        self._database = services.database

    def rest_routes(self) -> Sequence[RestRoute]:
        """``POST /api/v1/p/widgets/widgets``, also at the place where older clients look."""

        async def add(request: Any, response: Any) -> None:
            widget: Widget = request.context.body
            parameters = {"tenant_id": request.context.tenant_id, "name": widget.name}
            async with self._database.connection() as connection:
                await connection.execute(_SQL["add"], parameters)
            response.media = widget.as_json()

        return [
            RestRoute(
                "POST",
                "/widgets",
                add,
                Action.CREATE,
                "widget",
                "Add a widget",
                request_model=Widget,
                response_model=Widget,
                status=201,
                aliases=("/api/tenants/{slug}/widgets",),
            )
        ]

    def grpc_services(self) -> Sequence[GrpcService]:
        """``flovyn.plugins.widgets.v1.WidgetService``."""

        async def count(_request: pb.CountWidgetsRequest, identity: Identity) -> pb.CountWidgetsResponse:
            async with self._database.connection() as connection:
                row = await (await connection.execute(_SQL["count"], {"tenant_id": identity.tenant_id})).fetchone()
            return pb.CountWidgetsResponse(count=row[0])

        methods = {"CountWidgets": GrpcMethod(count, Action.VIEW, "widget")}
        return [GrpcService(pb.DESCRIPTOR.services_by_name["WidgetService"], methods)]
