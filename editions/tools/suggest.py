"""Proposes the edition that a configuration needs, writes it into the menu, builds it and lets it check the file.

./bazelw run //editions:suggest -- server.toml --name acme
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from editions.tools import menu_file, workspace
from editions.tools.wanted_plugins import Reason, UnknownNames, wanted
from server.plugin_checks.contributions import Contributions

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def plugins_of(root: Path, labels: list[str]) -> dict[str, tuple[str, Contributions]]:
    """Return label and contributions of each plugin, by its name, as the build found them."""
    found = {}
    for label in labels:
        package, _, target = label.removeprefix("//").partition(":")
        folder = root / "bazel-bin" / package
        name = json.loads((folder / f"{target}.plugin.json").read_text("utf-8"))["name"]
        adds = json.loads((folder / f"{target}.contributions.json").read_text("utf-8"))
        found[name] = f"//{package}", Contributions(**{kind: tuple(values) for kind, values in adds.items()})
    return found


def built_plugins() -> dict[str, tuple[str, Contributions]]:
    """Build what every plugin of the repository says of itself, and return it."""
    query = "kind(server_plugin_rule, //plugins/...)"
    labels = sorted(workspace.bazel("query", "--noshow_progress", query).split())
    workspace.bazel("build", "--noshow_progress", "--output_groups=manifest", *labels)
    return plugins_of(workspace.root(), labels)


def chosen(reasons: list[Reason], plugins: Mapping[str, tuple[str, Contributions]]) -> list[str]:
    """Return the labels of the plugins that are needed, sorted."""
    return sorted({plugins[reason.plugin][0] for reason in reasons})


def with_edition(menu: dict[str, Any], name: str, labels: list[str], file: str) -> dict[str, Any]:
    """Return the menu with the edition in it; one that is there already must have just these plugins.

    Raises:
        ValueError: the name cannot be an edition's, or is that of an edition with other plugins.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be an edition's name: lower-case letters, digits and underscores; use --name"
        )
    there = menu["editions"].get(name)
    if there is None:
        entry = {"description": f"What {file} needs.", "plugins": labels}
        return {**menu, "editions": {**menu["editions"], name: entry}}
    if sorted(there["plugins"]) != labels:
        raise ValueError(f"there is an edition {name!r} with other plugins; choose another name with --name")
    return menu


def explain(reasons: list[Reason], plugins: Mapping[str, tuple[str, Contributions]]) -> str:
    """Return each plugin that is needed with every place that needs it."""
    lines = [
        f"  {plugins[plugin][0]}\n" + "".join(f"    {each.place}\n" for each in reasons if each.plugin == plugin)
        for plugin in sorted({reason.plugin for reason in reasons})
    ]
    return "".join(lines) or "  none: nothing in the file belongs to a plugin\n"


def build_and_check(root: Path, name: str, file: Path) -> int:
    """Build the edition and let it check the file; return the check's exit code."""
    workspace.bazel("build", "--noshow_progress", f"//editions:{name}")
    command = [str(root / "bazel-bin" / "editions" / f"{name}.pex"), "config", "check", str(file)]
    return subprocess.run(command, env=workspace.environment(), check=False).returncode


def main(arguments: list[str]) -> int:
    """Run from ``bazel run //editions:suggest``; 1 and the reason when the configuration cannot be served."""
    parser = argparse.ArgumentParser(
        prog="./bazelw run //editions:suggest --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", help="the configuration file (TOML)")
    parser.add_argument("--name", help="the edition's name (default: the file's)")
    parser.add_argument("--dry-run", action="store_true", help="only say what is needed and why")
    options = parser.parse_args(arguments)
    file = workspace.caller() / options.file
    root = workspace.root()
    try:
        config = tomllib.loads(file.read_text("utf-8"))
        plugins = built_plugins()
        reasons = wanted(config, {name: adds for name, (_, adds) in plugins.items()})
        name = options.name or re.sub(r"[^a-z0-9_]+", "_", file.stem.lower())
        menu = menu_file.read(root)
        wider = with_edition(menu, name, chosen(reasons, plugins), file.name)
    except UnknownNames as error:
        print(f"error: {file}: names that no plugin of this repository offers:\n{error}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:  # TOML that is none, too
        return workspace.told(error)
    except subprocess.CalledProcessError:
        return workspace.told(RuntimeError("the plugins could not be described; Bazel's messages stand above"))
    print(f"{file.name} needs these plugins:\n{explain(reasons, plugins)}", end="", flush=True)
    if options.dry_run:
        return 0
    return _made(root, menu, wider, name, file)


def _made(root: Path, menu: dict[str, Any], wider: dict[str, Any], name: str, file: Path) -> int:
    """Write the wider menu, and the one that was when the edition cannot be built."""
    if wider is not menu:
        menu_file.write(root, wider)
    try:
        code = build_and_check(root, name, file)
    except subprocess.CalledProcessError:
        if wider is not menu:
            menu_file.write(root, menu)
        return workspace.told(RuntimeError(f"edition {name!r} cannot be built; {menu_file.MENU} is as it was"))
    where = f"edition {name!r} stands in {menu_file.MENU}: bazel-bin/editions/{name}.pex"
    print(where if code == 0 else f"{where}; mend the file and run: bazel-bin/editions/{name}.pex config check {file}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
