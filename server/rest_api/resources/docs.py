"""``/api/docs``: the OpenAPI document and a page that lists what it says.

Both need credentials like everything else; ``exclude_paths = ["/api/docs*"]`` opens them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import falcon.asgi

from core.auth import Action
from core.endpoints import RestRoute, Scope

PATH = "/api/docs/openapi.json"
RESOURCE = "api-docs"

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}code{{font-size:.95em}}
td{{padding:.15rem 1rem .15rem 0;vertical-align:top}}.m{{font-weight:600}}</style>
<h1>{title}</h1><p>The whole document, for programs: <a href="{path}">{path}</a></p>
{tags}</html>
"""


class Docs:
    """The handlers. The document is made once, with the app."""

    def __init__(self) -> None:
        """Start without a document: it describes these routes, too."""
        self._json = b""
        self._html = ""

    def show(self, document: Mapping[str, Any]) -> None:
        """Show this document."""
        self._json = json.dumps(document).encode()
        self._html = _PAGE.format(title=escape(document["info"]["title"]), path=PATH, tags="".join(_tags(document)))

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
        ]

    async def document(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the document."""
        response.content_type = falcon.MEDIA_JSON
        response.data = self._json

    async def page(self, _request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        """Answer the page."""
        response.content_type = falcon.MEDIA_HTML
        response.text = self._html


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
