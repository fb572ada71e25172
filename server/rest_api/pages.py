"""The pages and files of plugins' sites as routes: guarded like every route, and open only where that is declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import falcon.asgi

from core.auth import Action
from core.endpoints import RestHandler, RestRoute, Scope
from core.errors import NotFound
from core.pages import BASE, FILES, FILES_FOLDER, Site, SitePage
from server.rest_api.browsers import Browsers
from server.rest_api.site_files import SiteFile, SiteFiles

Request = falcon.asgi.Request
Response = falcon.asgi.Response

FOREVER = "public, max-age=31536000, immutable"
RESOURCE = "page"


class Pages:
    """All sites of a server, by plugin."""

    def __init__(self, sites: Mapping[str, Site], browsers: Browsers) -> None:
        self._sites = sites
        self._browsers = browsers

    def routes(self) -> list[RestRoute]:
        """Return the routes of all sites."""
        return [route for site in self._sites.values() for route in _SiteRoutes(site, self._browsers).routes()]

    def sign_in(self, request: Request) -> str | None:
        """Return the address at which the sender of a request signs in; None where that is no browser's page."""
        place = next((site.place + site.sign_in for site in self._sites.values() if site.sign_in), None)
        if place is None or request.method != "GET" or "text/html" not in (request.get_header("accept") or ""):
            return None
        base = self._browsers.base(request)
        wanted = base + request.relative_uri
        return f"{base}{place}?next={quote(wanted, safe='')}"


class _SiteRoutes:
    """The routes of one site."""

    def __init__(self, site: Site, browsers: Browsers) -> None:
        self._site = site
        self._browsers = browsers
        self._files = SiteFiles(site.folder)
        self._html: dict[str, str] = {}

    def routes(self) -> Iterator[RestRoute]:
        """Yield the routes."""
        site = self._site
        for page in site.pages:
            yield self._page(page)
        yield _open(f"{site.place}/{FILES_FOLDER}/{{version}}/{{name:path}}", self.file, "A file of the site")
        if site.is_home:
            yield _open("/", self.home, f"Lead to {site.place}")

    def _page(self, page: SitePage) -> RestRoute:
        path, handler = self._site.place + page.path, self._shows(page)
        if page.is_open:
            return _open(path, handler, page.summary)
        return RestRoute("GET", path, handler, page.action, page.resource, page.summary, scope=Scope.ANYBODY)

    def _shows(self, page: SitePage) -> RestHandler:
        async def show(request: Request, response: Response, **_parameters: Any) -> None:
            if page.file not in self._html:
                self._html[page.file] = await self._files.html(page.file)
            base = self._browsers.base(request)
            files = f"{base}{self._site.place}/{FILES_FOLDER}/{await self._files.version()}"
            response.content_type = falcon.MEDIA_HTML
            response.text = self._html[page.file].replace(BASE, base).replace(FILES, files)

        return show

    async def home(self, request: Request, response: Response) -> None:
        """Lead a browser to the site."""
        response.status = 303
        response.set_header("location", self._browsers.base(request) + self._site.place)

    async def file(self, request: Request, response: Response, version: str, name: str) -> None:
        """Answer a file; one of another version is not stored by browsers, because its address names other content."""
        found = await self._files.get(name)
        if found is None:
            raise NotFound(f"the site {self._site.place} has no file {name!r}")
        response.set_header("cache-control", FOREVER if version == await self._files.version() else "no-store")
        response.set_header("vary", "accept-encoding")
        response.content_type = found.media_type
        response.set_header("cross-origin-resource-policy", "same-origin")
        _write(found, request, response)


def _write(file: SiteFile, request: Request, response: Response) -> None:
    compressed = file.compressed if "gzip" in (request.get_header("accept-encoding") or "") else None
    etag = file.etag if compressed is None else f'{file.etag[:-1]}-gzip"'
    response.set_header("etag", etag)
    if etag in (request.get_header("if-none-match") or ""):
        response.status = 304
        return
    if compressed is not None:
        response.set_header("content-encoding", "gzip")
    response.data = file.content if compressed is None else compressed


def _open(path: str, handler: RestHandler, summary: str) -> RestRoute:
    return RestRoute("GET", path, handler, Action.VIEW, RESOURCE, summary, scope=Scope.ANYBODY, is_open=True)
