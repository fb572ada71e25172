"""How much longer an edition with 40 plugins takes to start than one with none.

    .venv/bin/python -m tests.benchmarks.bench_plugins

Works on a clone of this checkout. Each plugin is a copy of hello-world: two migrations, two routes, a gRPC service,
settings, an observer, a background service. The two editions are started in turn, on databases that are up to date.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from editions.tools.new_plugin import write
from tests.support.pex import Serving
from tests.support.postgres import running_cluster

PLUGINS = 40
ROUNDS = 9
EDITIONS = {"MINIMAL_PEX": "none", "FULL_PEX": "forty"}


def _build(root: Path) -> None:
    """Make the clone, its plugins and both editions."""
    external = subprocess.run(["./bazelw", "info", "output_base"], check=True, capture_output=True, text=True).stdout
    subprocess.run(["/usr/bin/env", "git", "clone", "-q", ".", str(root)], check=True)
    template = Path("plugins/hello_world").resolve()
    labels = [f"//{write(root, template, f'copy-{number}')}" for number in range(PLUGINS)]
    menu = {
        name: {"description": "A benchmark's.", "plugins": plugins}
        for name, plugins in (("none", []), ("forty", labels))
    }
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
    with tempfile.TemporaryDirectory() as name:
        root = Path(name, "clone")
        _build(root)
        with running_cluster(Path(name)) as databases, databases.empty() as none, databases.empty() as forty:
            urls = {"MINIMAL_PEX": none, "FULL_PEX": forty}
            taken: dict[str, list[float]] = {variable: [] for variable in urls}
            for number in range(ROUNDS + 1):
                for variable, url in urls.items():
                    seconds = _start(variable, url)
                    if number:  # the first start unpacks and migrates
                        taken[variable].append(seconds)
        few, many = (statistics.median(taken[variable]) for variable in urls)
        print(f"start without plugins     {few:6.3f} s")
        print(f"start with {PLUGINS} plugins     {many:6.3f} s   {many / few:.2f} x")
        subprocess.run(["/bin/chmod", "-R", "u+w", f"{root}.base"], check=True)


if __name__ == "__main__":
    main()
