"""Pages that a plugin shows in a browser: a site of HTML pages and files, and pages inside of the edition's console.

The server serves them with strict headers: scripts and styles come from files of the site, never from the HTML itself;
a page is shown in no frame; and scripts may not write HTML into the page (Trusted Types).

A page is a shell that holds nothing of any tenant. Its script asks the REST API, with the session of the browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Annotated

from pydantic import Field

from core.auth import Action

BASE = "%base%"
"""Stands in HTML for the path below which a browser sees the server: empty without a reverse proxy that adds one."""

FILES = "%files%"
"""Stands in HTML for the path of the site's files; it changes with each change of any of them."""

FILES_FOLDER = "files"
"""The part of a site's place below which its files are served."""

PageText = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class SitePage:
    """An HTML page of a site.

    Attributes:
        path: its address, relative to the place of the site, such as ``/runs/{id}``; empty for the place itself.
            Parameters are read by the page's script.
        file: its HTML file in the folder of the site; ``BASE`` and ``FILES`` are filled in.
        summary: one line for people.
        is_open: shown without credentials. A page that is not open is guarded as a route is.
        action: what a caller does who sees a guarded page, for the authorizer.
        resource: to what kind of thing.
    """

    path: str
    file: PageText
    summary: PageText
    is_open: bool = False
    action: Action = Action.VIEW
    resource: PageText = "page"


@dataclass(frozen=True, slots=True)
class Site:
    """The pages of a plugin, and the files that they load.

    Attributes:
        place: one segment, such as ``/hello-world``; nothing else of the edition lies below it.
        folder: the HTML files and, at any depth, the files that browsers load. All but the HTML is open to everybody.
        pages: the pages.
        is_home: the address ``/`` leads to this site.
        sign_in: the path of the page at which browsers sign in. A browser without credentials that opens a guarded page
            is led there, with the address that it wanted as ``next`` in the query.
    """

    place: PageText
    folder: Traversable
    pages: tuple[SitePage, ...]
    is_home: bool = False
    sign_in: str = ""


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """A page inside of the console, in an edition that has one.

    Attributes:
        path: one segment or more; the page's address is ``/console/p/<plugin>`` and this.
        title: its name in the navigation.
        module: a file of the plugin's site: an ES module whose export ``show(element, api)`` fills the element. ``api``
            has ``get(path)`` and ``send(method, path, body)``, which answer JSON of the REST API.
    """

    path: PageText
    title: PageText
    module: PageText
