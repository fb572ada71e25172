"""Writes a new plugin: a copy of hello-world under another name, which works before the first line is changed.

./bazelw run //plugins:new -- my-plugin
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from core.errors import PluginError
from core.migration import check_plugin_name, sql_name

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


def files(template: Path, name: str) -> dict[Path, str]:
    """Return the new plugin's files by their path in its folder."""
    sources = sorted(path for path in template.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {
        Path(renamed(str(path.relative_to(template)), name)): renamed(path.read_text(encoding="utf-8"), name)
        for path in sources
    }


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


def main(arguments: list[str]) -> int:
    """Run from the command line; 1 and one message when nothing is written."""
    parser = argparse.ArgumentParser(
        prog="./bazelw run //plugins:new --", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="lower-case words joined by hyphens, such as audit-log")
    options = parser.parse_args(arguments)
    try:
        folder = write(Path(os.environ["BUILD_WORKSPACE_DIRECTORY"]), FOLDER, options.name)
    except PluginError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(_NEXT.format(folder=folder), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
