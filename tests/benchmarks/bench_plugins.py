"""How much longer an edition with 40 plugins takes to start than one with none.

    .venv/bin/python -m tests.benchmarks.bench_plugins

Works on a clone of this checkout. The small plugins are copies of tests/editions/acme/widgets: a table, a route, a gRPC
method. The large ones are copies of hello-world, which has one of everything that a plugin can add. The editions are
started in turn, on databases that are up to date.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from editions.tools.new_plugin import write
from tests.support.pex import Serving
from tests.support.postgres import running_cluster

PLUGINS = 40
ROUNDS = 9
EDITIONS = {"MINIMAL_PEX": "none", "FULL_PEX": "small", "DEV_PEX": "large"}
"""The variables by which ``tests.support.pex`` knows editions, and those that stand behind them here."""


def _small(root: Path, number: int) -> str:
    """Write a small plugin and return its label."""
    name = f"small_{number}"
    folder = root / "plugins" / name
    template = Path("tests/editions/acme/widgets")
    for path in (each for each in template.rglob("*") if each.is_file() and each.suffix != ".pyc"):
        text = (
            path.read_text("utf-8")
            .replace("Widgets", f"Small{number}x")
            .replace("from widgets", "from plugins.widgets")
            .replace('    requires = ("worker-token",)\n', "")
        )
        text = text.replace('"widgets.plugin', '"plugins.widgets.plugin').replace(
            'NAME = "widgets"', f'NAME = "small-{number}"'
        )
        text = text.replace("/api/tenants/{slug}/widgets", f"/api/tenants/{{slug}}/widgets-{number}")
        target = folder / str(path.relative_to(template)).replace("widgets", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("widgets", name), "utf-8")
    return f"//plugins/{name}"


def _build(root: Path) -> None:
    """Make the clone, its plugins and the editions."""
    external = subprocess.run(["./bazelw", "info", "output_base"], check=True, capture_output=True, text=True).stdout
    subprocess.run(["/usr/bin/env", "git", "clone", "-q", ".", str(root)], check=True)
    template = Path("plugins/hello_world").resolve()
    listed = {
        "none": [],
        "small": [_small(root, number) for number in range(PLUGINS)],
        "large": [f"//{write(root, template, f'large-{number}')}" for number in range(PLUGINS)],
    }
    menu = {name: {"description": "A benchmark's.", "plugins": plugins} for name, plugins in listed.items()}
    content = {"schema": 1, "default": "none", "editions": {"dev": menu["none"], **menu}}
    (root / "editions/editions.json").write_text(json.dumps(content))
    environ = {**os.environ, "FLOVYN_WHEELHOUSE": f"{external.strip()}/external/wheels/whl"}
    bazel = ["./bazelw", f"--output_base={root}.base"]
    targets = [f"//editions:{name}" for name in EDITIONS.values()]
    subprocess.run([*bazel, "build", *targets], cwd=root, env=environ, check=True, capture_output=True)
    subprocess.run([*bazel, "shutdown"], cwd=root, check=True, capture_output=True)
    for variable, name in EDITIONS.items():
        os.environ[variable] = str((root / f"bazel-bin/editions/{name}.pex").resolve())


def _start(variable: str, url: str) -> float:
    began = time.perf_counter()
    with Serving(variable, url):
        return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        root = Path(name, "clone")
        _build(root)
        databases = stack.enter_context(running_cluster(Path(name)))
        urls = {variable: stack.enter_context(databases.empty()) for variable in EDITIONS}
        taken: dict[str, list[float]] = {variable: [] for variable in EDITIONS}
        for number in range(ROUNDS + 1):
            for variable, url in urls.items():
                seconds = _start(variable, url)
                if number:  # the first start unpacks and migrates
                    taken[variable].append(seconds)
        medians = {name: statistics.median(taken[variable]) for variable, name in EDITIONS.items()}
        for edition, seconds in medians.items():
            print(
                f"start with {PLUGINS if edition != 'none' else 'no'} {edition:<6} {seconds:6.3f} s  {seconds / medians['none']:.2f} x"
            )
        subprocess.run(["/bin/chmod", "-R", "u+w", f"{root}.base"], check=True)


if __name__ == "__main__":
    main()
