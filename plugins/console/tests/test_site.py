"""The files of the console: what browsers get, how much it is, and what its modules may not do."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from plugins.console import plugin
from plugins.console.plugin import PAGES, ConsolePlugin
from tests.support.running import running_server

SITE = Path(plugin.__file__).parent / "site"
VENDOR = SITE / "vendor"
MODULES = sorted(path for path in SITE.rglob("*.js") if VENDOR not in path.parents)
MAX_LINES = 150
MAX_RAW, MAX_SENT = 300_000, 100_000

with_npm = pytest.mark.skipif(not VENDOR.is_dir(), reason="only a build has the files of npm packages")

_IMPORT = re.compile(r"""(?:from|import)\s*\(?\s*"([^"]+)\"""")
_HARMFUL = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:")


def _imports(module: Path) -> list[Path]:
    return [module.parent / name for name in _IMPORT.findall(module.read_text("utf-8"))]


def test_modules_are_short_and_write_no_html() -> None:
    """Each module fits on a few screens, and sets texts and properties alone."""
    assert len(MODULES) > 10
    for module in MODULES:
        text = module.read_text("utf-8")
        assert text.count("\n") < MAX_LINES, module.name
        assert _HARMFUL.search(text) is None, module.name


def test_modules_import_each_other_by_paths_that_exist() -> None:
    """A browser finds each module; those of npm packages come with a build."""
    for module in MODULES:
        for path in _imports(module):
            assert path.is_file() or path.parent.name == VENDOR.name, (module.name, path.name)


@with_npm
def test_modules_of_npm_packages_are_there_and_need_no_map() -> None:
    """Each import of a package's module is a path to a file beside it."""
    for module in [*MODULES, *VENDOR.glob("*.js")]:
        for path in _imports(module):
            assert path.is_file(), (module.name, path.name)


@with_npm
def test_the_site_is_small() -> None:
    """All files together stay below the budget, raw and as they are sent."""
    contents = [path.read_bytes() for path in SITE.rglob("*") if path.is_file() and path.suffix != ".txt"]
    assert sum(map(len, contents)) < MAX_RAW
    assert sum(len(gzip.compress(content, 9)) for content in contents) < MAX_SENT


async def test_every_address_answers_the_shell_without_credentials(database: str) -> None:
    """A page can be opened by its address; it holds nothing before the script has asked the API."""
    async with running_server(database, [ConsolePlugin]) as client:
        assert (await client.rest("GET", "/", key=None)).headers["location"] == "/console"
        for path in PAGES:
            answer = await client.rest("GET", "/console" + re.sub(r"\{\w+\}", "x", path), key=None)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
            assert '<div id="app"></div>' in answer.text


async def test_a_browser_that_opens_the_api_is_led_to_the_sign_in(database: str) -> None:
    """The address that it wanted is where the sign-in leads back to."""
    async with running_server(database, [ConsolePlugin]) as client:
        answer = await client.rest("GET", "/api/docs", headers=[("accept", "text/html")])
        assert answer.headers["location"] == "/console/sign-in?next=%2Fapi%2Fdocs"
