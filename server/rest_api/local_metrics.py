"""The application of the port for metrics: it answers scrapes without credentials, and nothing else.

The port is meant for an address that only the collector of metrics reaches, such as the loopback interface.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from core.errors import FlovynError
from server.observability.exposition import CONTENT_TYPE
from server.rest_api.resources.scrape import Scrape

PATHS = ("/metrics", "/_/metrics")


async def answer(scrape: Scrape, scope: dict[str, Any], send: Callable[[Any], Awaitable[None]]) -> None:
    """Answer one request by the ASGI standard."""
    status, text = 404, b"there is nothing at this path; the metrics are at /metrics\n"
    if scope["path"] in PATHS:
        status, text = 405, b"only GET is possible at this path\n"
        if scope["method"] == "GET":
            try:
                status, text = 200, await scrape.text()
            except FlovynError as error:
                status, text = 503, f"{error}\n".encode()
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
