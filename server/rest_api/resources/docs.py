"""``/api/docs``: the OpenAPI document, and a page that shows its endpoints and tries them.

Both need credentials; ``exclude_paths = ["/api/docs*"]`` opens them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import Any

import falcon.asgi

from core.auth import Action
from core.endpoints import RestRoute, Scope
from core.pages import BASE
from server.rest_api.browsers import Browsers

PATH = "/api/docs/openapi.json"
RESOURCE = "api-docs"

_PAGE = """<!doctype html>
<html lang="en" data-base="{base}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{base}/api/docs/style.css">
<script type="module" src="{base}/api/docs/page.js"></script></head>
<body><main><h1>{title}</h1>
<p>The whole document, for programs: <a href="{base}{path}">{path}</a>.
Open an endpoint to see what it takes and answers.</p>
{tags}</main></body></html>
"""

_FILES = {
    "style.css": ("docs.css", "text/css", "The style of that page"),
    "page.js": ("docs.js", "text/javascript", "The script of that page"),
}
"""The file beside this module, its type and its summary, by its name below ``/api/docs``."""


class Docs:
    """Routes and handlers of the document. The first request makes it, so that a start does not wait for it."""

    def __init__(self, make: Callable[[], Mapping[str, Any]], browsers: Browsers) -> None:
        self._make = make
        self._browsers = browsers
        self._making = asyncio.Lock()
        self._shown: tuple[bytes, str] | None = None

    def routes(self) -> list[RestRoute]:
        """Return the routes."""
        document, page = "The OpenAPI document", "A page that shows all endpoints, and tries them"
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
            *(_file(name, *of) for name, of in _FILES.items()),
        ]

    async def document(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the document."""
        response.content_type = falcon.MEDIA_JSON
        response.data = (await self._made())[0]

    async def page(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the page."""
        response.content_type = falcon.MEDIA_HTML
        response.text = (await self._made())[1].replace(BASE, self._browsers.base(request))

    async def _made(self) -> tuple[bytes, str]:
        async with self._making:
            if self._shown is None:
                self._shown = await asyncio.to_thread(_rendered, self._make)
            return self._shown


def _file(name: str, file: str, media_type: str, summary: str) -> RestRoute:
    """Return the route of a file of the page; it tells nothing, so it is open."""

    async def answer(_request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        response.content_type = media_type
        response.text = await asyncio.to_thread(files(__package__).joinpath(file).read_text, "utf-8")

    return RestRoute(
        "GET",
        f"/api/docs/{name}",
        answer,
        Action.VIEW,
        RESOURCE,
        summary,
        scope=Scope.ANYBODY,
        produces=(media_type,),
        tag="docs",
        is_open=True,
    )


def _rendered(make: Callable[[], Mapping[str, Any]]) -> tuple[bytes, str]:
    document = make()
    title = escape(document["info"]["title"])
    return json.dumps(document).encode(), _PAGE.format(title=title, path=PATH, base=BASE, tags="".join(_tags(document)))


def _tags(document: Mapping[str, Any]) -> Iterator[str]:
    for tag in document["tags"]:
        rows = "".join(
            f'<details class="operation" data-method="{method.upper()}" data-path="{escape(path)}"><summary>'
            f"<b>{method.upper()}</b><code>{escape(path)}</code><span>{escape(operation['summary'])}</span></summary></details>"
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        )
        text = f"<p>{escape(tag['description'])}</p>" if "description" in tag else ""
        yield f"<h2>{escape(tag['name'])}</h2>{text}{rows}"
