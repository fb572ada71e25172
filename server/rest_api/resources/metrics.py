"""``/_/metrics``: Prometheus' text format, for operators."""

from __future__ import annotations

import falcon.asgi

from core.auth import Action
from core.endpoints import RestRoute, Scope
from server.observability.metrics import CONTENT_TYPE, MetricsRegistry


class MetricsText:
    """The handler."""

    def __init__(self, metrics: MetricsRegistry) -> None:
        """Take what is counted."""
        self._metrics = metrics

    def routes(self) -> list[RestRoute]:
        """Return the route."""
        return [
            RestRoute(
                "GET",
                "/_/metrics",
                self.text,
                Action.VIEW,
                "metrics",
                "Metrics in Prometheus' text format",
                scope=Scope.SERVER,
                produces=("text/plain",),
                tag="server",
            )
        ]

    async def text(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the values of all worker processes."""
        response.content_type = CONTENT_TYPE
        response.data = self._metrics.text()
