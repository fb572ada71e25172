"""Pages of plugins: who sees them, their headers, their files, and where they lie."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.auth import Action
from core.endpoints import RestRoute, Scope
from core.errors import PluginError
from core.pages import ConsolePage, Site, SitePage
from core.plugin import Plugin
from plugins.hello_world.plugin import HelloWorldPlugin
from server.rest_api.page_headers import POLICY
from tests.support.running import CONFIG, OPERATOR_KEY, TENANT, WORKER_KEY, Client, running_server

HTML = '<!doctype html><title>x</title><script type="module" src="%files%/a/main.js"></script><a href="%base%/"></a>'


class Shown(Plugin):
    """A site with an open page, a guarded one, a page to sign in, and a console page."""

    name = "shown"
    version = "1"
    folder: Path
    pages = (
        SitePage("", "index.html", "The site", is_open=True),
        SitePage("/closed/{id}", "index.html", "A guarded page"),
        SitePage("/sign-in", "index.html", "The sign-in", is_open=True),
    )
    place = "/shown"
    console: tuple[ConsolePage, ...] = (ConsolePage("/more", "More", "a/main.js"),)
    routes: tuple[RestRoute, ...] = ()

    def site(self) -> Site:
        """Return the site."""
        return Site(self.place, self.folder, self.pages, is_home=True, sign_in="/sign-in")

    def console_pages(self) -> Sequence[ConsolePage]:
        """Return the page in the console."""
        return self.console

    def rest_routes(self) -> Sequence[RestRoute]:
        """Return the routes."""
        return self.routes


@pytest.fixture
def plugin(tmp_path: Path) -> type[Shown]:
    """The plugin with its files."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "main.js").write_text("export const x = 1;\n" * 100)
    (tmp_path / "index.html").write_text(HTML)
    return type("Here", (Shown,), {"folder": tmp_path})


@pytest.fixture
async def client(database: str, plugin: type[Shown]) -> AsyncIterator[Client]:
    """A server with the plugin."""
    async with running_server(database, [plugin]) as running:
        yield running


async def file_of(client: Client, **headers: str) -> Any:
    """Return the answer for the script of the page."""
    page = await client.rest("GET", "/shown", key=None)
    address = page.text.partition('src="')[2].partition('"')[0]
    return await client.rest("GET", address, headers=[(k.replace("_", "-"), v) for k, v in headers.items()])


async def test_an_open_page_is_shown_to_everybody_and_a_guarded_one_is_not(client: Client) -> None:
    """Without credentials the guarded page is refused; a program is asked for credentials."""
    assert (await client.rest("GET", "/shown", key=None)).status_code == 200
    assert (await client.rest("GET", "/shown/closed/1", key=None)).status_code == 401
    assert (await client.rest("GET", "/shown/closed/1", key=OPERATOR_KEY)).status_code == 200


async def test_a_browser_without_credentials_is_led_to_the_sign_in(client: Client) -> None:
    """It gets the address that it wanted as a path of this server, below the proxy's prefix."""
    headers = [("accept", "text/html,*/*"), ("x-forwarded-prefix", "/flovyn")]
    answer = await client.rest("GET", "/api/docs", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/flovyn/shown/sign-in?next=%2Fflovyn%2Fapi%2Fdocs",
    )


@pytest.mark.parametrize("path", ["/shown", "/shown/sign-in", "/api/docs"])
async def test_everything_html_has_the_strict_headers(client: Client, path: str) -> None:
    """No frames, no scripts from elsewhere, no stored copies."""
    headers = (await client.rest("GET", path)).headers
    assert headers["content-security-policy"] == POLICY
    assert "frame-ancestors 'none'" in POLICY
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


async def test_an_answer_to_a_session_is_stored_by_no_cache(client: Client) -> None:
    """A shared proxy does not keep what a session sees."""
    answer = await client.rest("GET", "/api/docs/openapi.json", headers=[("cookie", "flovyn_session=x")])
    assert answer.headers["cache-control"] == "no-store"


async def test_a_file_has_an_immutable_name_and_a_strong_etag(client: Client) -> None:
    """It is stored for ever, and sent compressed; a second request with its tag gets no content."""
    plain, packed = await file_of(client), await file_of(client, accept_encoding="gzip")
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"].startswith("text/javascript")
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 5
    assert plain.headers["etag"] != packed.headers["etag"]
    again = await file_of(client, accept_encoding="gzip", if_none_match=packed.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")


async def test_a_file_of_another_version_is_not_stored(client: Client) -> None:
    """An address names one content for ever: under another version it is sent, and kept by no cache."""
    answer = await client.rest("GET", "/shown/files/0000/a/main.js", key=None)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize("name", ["a/../index.html", "index.html", "..%2f..%2fetc/passwd", "a", "", "A/main.js"])
async def test_nothing_but_the_files_is_served(client: Client, name: str) -> None:
    """Names that lead elsewhere, folders and the HTML itself are not found."""
    assert (await client.rest("GET", f"/shown/files/0000/{name}", key=None)).status_code == 404


async def test_pages_work_below_a_path(database: str, plugin: type[Shown]) -> None:
    """Addresses in the page begin with the configured path, or with the one that the proxy sends."""
    async with running_server(database, [plugin], {**CONFIG, "base_path": "/own"}) as client:
        assert 'src="/own/shown/files/' in (await client.rest("GET", "/shown", key=None)).text
        sent = [("x-forwarded-prefix", "/sent")]
        assert 'src="/sent/shown/files/' in (await client.rest("GET", "/shown", headers=sent)).text
        assert (await client.rest("GET", "/", key=None)).headers["location"] == "/own/shown"


async def test_the_console_is_told_of_the_pages_of_plugins(client: Client) -> None:
    """The list has the address, the title and the module, which is served."""
    [page] = (await client.rest("GET", "/api/v1/console-pages", key=WORKER_KEY)).json["pages"]
    assert (page["path"], page["title"]) == ("/console/p/shown/more", "More")
    assert (await client.rest("GET", page["module"], key=None)).status_code == 200


async def test_a_route_is_open_by_declaration(database: str, plugin: type[Shown]) -> None:
    """Its handler gets the anonymous caller; the OpenAPI document says that it needs no credentials."""

    async def handler(request: Any, response: Any) -> None:
        response.media = {"caller": request.context.identity.id}

    route = RestRoute("POST", "/hook", handler, Action.EXECUTE, "hook", "x", scope=Scope.ANYBODY, is_open=True)
    async with running_server(database, [type("Open", (plugin,), {"routes": (route,)})]) as client:
        assert (await client.rest("POST", "/api/v1/p/shown/hook", key=None)).json == {"caller": "anonymous"}
        assert client.openapi()["paths"]["/api/v1/p/shown/hook"]["post"]["security"] == []


async def test_a_worker_of_a_tenant_sees_the_page_of_the_example(database: str) -> None:
    """The page of hello-world is guarded, and its files are open."""
    keys = {"PLUGINS__HELLO_WORLD__VISITOR_KEY": "0" * 16, "PLUGINS__HELLO_WORLD__VISITOR_TENANT": str(TENANT)}
    async with running_server(database, [HelloWorldPlugin], None, **keys) as client:
        assert (await client.rest("GET", "/hello-world", key=None)).status_code == 401
        assert "page.js" in (await client.rest("GET", "/hello-world", key=WORKER_KEY)).text


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"place": "/api"}, "place /api is claimed by"),
        ({"place": "/shown/below"}, "is not one segment"),
        ({"pages": (SitePage("", "gone.html", "x", is_open=True),)}, "has no file 'gone.html'"),
        ({"pages": (SitePage("/files/x", "index.html", "x", is_open=True),)}, "is where the files"),
        ({"pages": (SitePage("/sign-in", "index.html", "x"),)}, "not the path of an open page"),
        ({"pages": (SitePage("/sign-in", "index.html", "x", is_open=True),)}, "is_home"),
        ({"console": (ConsolePage("/x", "X", "gone.js"),)}, "has no file 'gone.js'"),
        ({"console": (ConsolePage("/{x}", "X", "a/main.js"),)}, "without parameters"),
    ],
)
async def test_a_wrong_site_stops_the_start(
    database: str, plugin: type[Shown], members: dict[str, Any], told: str
) -> None:
    """The message names what is wrong."""
    with pytest.raises(PluginError, match=told):
        async with running_server(database, [type("Wrong", (plugin,), members)]):
            pass


async def test_two_sites_at_one_place_clash(database: str, plugin: type[Shown]) -> None:
    """Both plugins are named, and so are their claims to the address ``/``."""
    other = type("Other", (plugin,), {"name": "other", "console": ()})
    with pytest.raises(PluginError) as caught:
        async with running_server(database, [plugin, other]):
            pass
    for claim in ("place /shown", "place /", "page /shown/sign-in"):
        assert f"{claim} is claimed by other and by shown" in str(caught.value)


async def test_an_open_route_of_a_tenant_is_refused(database: str, plugin: type[Shown]) -> None:
    """A route that is a tenant's cannot be open."""

    async def handler(_request: Any, _response: Any) -> None:
        """Do nothing."""

    route = RestRoute("GET", "/x", handler, Action.VIEW, "x", "x", is_open=True)
    with pytest.raises(PluginError, match="an open route belongs to no tenant"):
        async with running_server(database, [type("Open", (plugin,), {"routes": (route,)})]):
            pass
