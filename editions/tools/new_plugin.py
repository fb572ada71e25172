"""Writes a new plugin: a copy of hello-world under another name, which works before the first line is changed.

./bazelw run //plugins:new -- my-plugin                              in this repository
./bazelw run //plugins:new -- my-plugin --workspace ../my-plugin     in a repository of its own
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from core.errors import PluginError
from core.migration import check_plugin_name, sql_name
from editions.tools import own_workspace, workspace
from editions.tools.outside_source import RepositorySource, SourceError, look

TEMPLATE = "hello-world"
_TEMPLATE_ONLY = re.compile(r"^# [^\n]*//plugins:new[^\n]*\n.*?\n\n", re.DOTALL | re.MULTILINE)
"""A rule of a BUILD file that only the template has: its comment, up to the next empty line."""

FOLDER = Path("plugins", sql_name(TEMPLATE))

_NEXT = """\
Wrote {folder}: a copy of hello-world, with one of everything that a plugin can add. Delete what yours does not need.

Check it:              ./bazelw test //{folder}/...
Put it into an edition: add "//{folder}" to "plugins" of an edition in editions/editions.json
Run it:                ./bazelw run //:dev        (when that edition is dev)
Read on:               docs/plugin-development.md
"""


_NEXT_OUTSIDE = """\
Wrote {folder}: a repository with the plugin {name}, a copy of hello-world, and an edition to try it with.

Check it:              ./bazelw test //...            (in that folder)
Serve it:              ./bazelw run //:dev
Wheels of its own:     requirements.in, then ./bazelw run @flovyn_server//editions:lock
Read on:               docs/plugin-development.md of the server
"""

_ROOT_BUILD = """\
# The plugin's edition and what its tests share.

load("@flovyn_server//editions:defs.bzl", "edition", "edition_command")
load("@flovyn_server//plugins:defs.bzl", "py_library")

edition(
    name = "mine",
    description = "The plugin, tokens for workers, and a PostgreSQL to try them on.",
    extras = ["embedded-postgres"],
    plugins = [
        "//{package}",
        "@flovyn_server//plugins/worker_token",
    ],
)

# Starts the edition: ./bazelw run //:dev
edition_command(
    name = "dev",
    arguments = ["dev"],
    edition = ":mine",
)

py_library(
    name = "conftest",
    srcs = ["conftest.py"],
    visibility = ["//visibility:public"],
    deps = [
        "@flovyn_server//tests/support",
        "@wheels//:pytest",
    ],
)
"""

_TAKEN = frozenset({"conftest", "editions", "migrations", "plugins", "proto", "server", "tests"})
"""Packages of this repository; a plugin in a repository of its own has its package beside them."""

_CONFTEST = '''"""Loads the fixtures of every test."""

pytest_plugins = ["tests.support.fixtures"]
'''

_OUTSIDE = (
    ("plugins.hello_world.v1", "plugins.\0.v1"),  # the package of messages keeps its beginning
    ("[plugins.hello_world]", "[plugins.\0]"),
    ("plugins.hello_world", "hello_world"),
    ("//plugins/hello_world", "//hello_world"),
    ('"//plugins:defs.bzl"', '"@flovyn_server//plugins:defs.bzl"'),
    ('"//proto:defs.bzl"', '"@flovyn_server//proto:defs.bzl"'),
    ('"//tests:defs.bzl"', '"@flovyn_server//tests:defs.bzl"'),
    ('"//tests:conftest"', '"//:conftest"'),
    ("\0", "hello_world"),
)
"""Texts of the template that name its place, each with its form in a repository of its own."""


def moved(text: str) -> str:
    """Return a text of the template for a folder in the root of another repository."""
    for old, new in _OUTSIDE:
        text = text.replace(old, new)
    return text


def renamed(text: str, name: str) -> str:
    """Return a text of the template with the plugin's name in every spelling."""
    camel = "".join(map(str.capitalize, name.split("-")))
    text = _TEMPLATE_ONLY.sub("", text)
    for old, new in (
        ("HelloWorldPlugin", camel + "Plugin" * (camel == "Plugin" or not camel.endswith("Plugin"))),
        (sql_name(TEMPLATE), sql_name(name)),
        (sql_name(TEMPLATE).upper(), sql_name(name).upper()),
        (TEMPLATE, name),
        ("HelloWorld", camel),
    ):
        text = text.replace(old, new)
    return text


def template_files(template: Path) -> dict[Path, str]:
    """Return the template's files by their path in its folder."""
    sources = sorted(path for path in template.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(template): path.read_text(encoding="utf-8") for path in sources}


def files(template: Path, name: str) -> dict[Path, str]:
    """Return the new plugin's files by their path in its folder."""
    return {Path(renamed(str(path), name)): renamed(text, name) for path, text in template_files(template).items()}


def write(root: Path, template: Path, name: str) -> Path:
    """Write the plugin below ``root`` and return its folder, relative to that.

    Raises:
        PluginError: the name is not valid, or its folder is there already.
    """
    folder = Path("plugins", sql_name(check_plugin_name(name)))
    if (root / folder).exists():
        raise PluginError(f"{folder} is there already; choose another name or remove it")
    for path, text in files(template, name).items():
        target = root / folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder


def write_repository(folder: Path, template: Path, name: str, server: RepositorySource) -> None:
    """Write a repository with the plugin, its tests, an edition and the files that Bazel needs.

    Raises:
        PluginError: the name is not valid, or the folder holds something already.
    """
    package = sql_name(check_plugin_name(name))
    if package in sys.stdlib_module_names or package in _TAKEN:
        raise PluginError(f"{name} would be imported as {package}, which is taken; choose another name")
    if folder.exists() and any(folder.iterdir()):
        raise PluginError(f"{folder} is not empty; name a folder that is new or empty")
    outside = {path: moved(text) for path, text in template_files(template).items()}
    plugin = {f"{package}/{renamed(str(path), name)}": renamed(text, name) for path, text in outside.items()}
    around = own_workspace.files(package, [server], [])
    own_workspace.write(
        folder, {**around, **plugin, "BUILD.bazel": _ROOT_BUILD.format(package=package), "conftest.py": _CONFTEST}
    )


def main(arguments: list[str]) -> int:
    """Run from the command line; 1 and one message when nothing is written."""
    parser = argparse.ArgumentParser(
        prog="./bazelw run //plugins:new --", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="lower-case words joined by hyphens, such as audit-log")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="write a repository of its own there")
    parser.add_argument(
        "--server",
        metavar="PLACE",
        help="with --workspace: the server's checkout or archive *.zip that it builds with; this one by default",
    )
    options = parser.parse_args(arguments)
    try:
        print(outside(options) if options.workspace else inside(options), end="")
    except (PluginError, SourceError) as error:
        return workspace.told(error)
    return 0


def inside(options: argparse.Namespace) -> str:
    """Write the plugin into this repository; return what to do next."""
    return _NEXT.format(folder=write(workspace.root(), FOLDER, options.name))


def outside(options: argparse.Namespace) -> str:
    """Write a repository of the plugin's own; return what to do next."""
    folder = workspace.caller() / options.workspace
    place = options.server or str(workspace.root())
    server = look(place, workspace.caller())[0].source
    if server.name != own_workspace.SERVER:
        raise SourceError(f"{place} holds the repository {server.name}, not the server; name one with --server")
    write_repository(folder, FOLDER, options.name, server)
    return _NEXT_OUTSIDE.format(folder=folder, name=options.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
