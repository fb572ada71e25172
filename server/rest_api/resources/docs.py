"""``/api/docs``: the OpenAPI document, and a page that lists its endpoints.

Both need credentials; ``exclude_paths = ["/api/docs*"]`` opens them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any

import falcon.asgi

from core.auth import Action
from core.endpoints import RestRoute, Scope
from core.pages import BASE
from server.rest_api.browsers import Browsers

PATH = "/api/docs/openapi.json"
RESOURCE = "api-docs"

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="{base}/api/docs/style.css">
<h1>{title}</h1><p>The whole document, for programs: <a href="{base}{path}">{path}</a></p>
{tags}</html>
"""


_STYLE = """:root{color-scheme:light dark}
body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}code{font-size:.95em}
td{padding:.15rem 1rem .15rem 0;vertical-align:top}.m{font-weight:600}
"""


class Docs:
    """Routes and handlers of the document. The first request makes it, so that a start does not wait for it."""

    def __init__(self, make: Callable[[], Mapping[str, Any]], browsers: Browsers) -> None:
        self._make = make
        self._browsers = browsers
        self._making = asyncio.Lock()
        self._shown: tuple[bytes, str] | None = None

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        document, page = "The OpenAPI document", "A page that lists all endpoints"
        return [
            RestRoute("GET", PATH, self.document, Action.VIEW, RESOURCE, document, scope=Scope.ANYBODY, tag="docs"),
            RestRoute(
                "GET",
                "/api/docs",
                self.page,
                Action.VIEW,
                RESOURCE,
                page,
                scope=Scope.ANYBODY,
                produces=("text/html",),
                tag="docs",
            ),
            RestRoute(
                "GET",
                "/api/docs/style.css",
                self.style,
                Action.VIEW,
                RESOURCE,
                "The style of that page",
                scope=Scope.ANYBODY,
                produces=("text/css",),
                tag="docs",
                is_open=True,
            ),
        ]

    async def document(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the document."""
        response.content_type = falcon.MEDIA_JSON
        response.data = (await self._made())[0]

    async def page(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the page."""
        response.content_type = falcon.MEDIA_HTML
        response.text = (await self._made())[1].replace(BASE, self._browsers.base(request))

    async def style(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the style."""
        response.content_type = "text/css"
        response.text = _STYLE

    async def _made(self) -> tuple[bytes, str]:
        async with self._making:
            if self._shown is None:
                self._shown = await asyncio.to_thread(_rendered, self._make)
            return self._shown


def _rendered(make: Callable[[], Mapping[str, Any]]) -> tuple[bytes, str]:
    document = make()
    title = escape(document["info"]["title"])
    return json.dumps(document).encode(), _PAGE.format(title=title, path=PATH, base=BASE, tags="".join(_tags(document)))


def _tags(document: Mapping[str, Any]) -> Iterator[str]:
    for tag in document["tags"]:
        rows = "".join(
            f'<tr><td class="m">{method.upper()}<td><code>{escape(path)}</code><td>{escape(operation["summary"])}'
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        )
        text = f"<p>{escape(tag['description'])}</p>" if "description" in tag else ""
        yield f"<h2>{escape(tag['name'])}</h2>{text}<table>{rows}</table>"
