"""Makes or refreshes ``.venv`` at the root of the repository: the locked wheels, and the generated stubs beside them.

The files of npm packages are copied as well: those of plugins' sites into the plugins' folders, where a server from
sources reads them, and those that only tests load into ``.venv/npm``.

Editors and plain ``pytest`` use it. The wheels were fetched by the build; nothing is downloaded here.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from editions.tools.venv import copy_stubs, create, write_path


def wheels(runfiles: Path) -> list[Path]:
    """Return the wheels of both wheelhouses, one per file name."""
    found = [*runfiles.glob("*wheels/whl/*.whl")]
    return sorted({path.name: path for path in found}.values())


def fingerprint(files: list[Path]) -> str:
    """Return a digest of the wheels and the interpreter that an environment is made of."""
    names = "\n".join([os.path.realpath(sys.executable), sys.version, *(file.name for file in files)])
    return hashlib.sha256(names.encode()).hexdigest()


def install(files: list[Path], folder: Path) -> None:
    """Make the environment anew with the wheels in it."""
    python = create(folder)
    pip = next(file for file in files if file.name.startswith("pip-"))
    quiet = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    command = [str(python), f"{pip.resolve()}/pip", "install", "-q", "--no-index", "--no-deps", *map(str, files)]
    subprocess.run(command, env={**environment, **quiet}, check=True)


def copy_npm(runfiles: Path, root: Path) -> None:
    """Copy the files of npm packages: into the sites of plugins, and what tests load into ``.venv/npm``."""
    of_sites = {path: root / path for path in Path().glob("plugins/*/site/vendor/*")}
    of_tests = {path: root / ".venv/npm" / path.name for path in runfiles.glob("*npm_axe_core/files/*")}
    for source, target in {**of_sites, **of_tests}.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(source.read_bytes())


def main(arguments: list[str]) -> int:
    """Run from ``bazel run //:venv``."""
    parser = argparse.ArgumentParser(prog="./bazelw run //:venv --", description=__doc__)
    parser.add_argument("--runfiles", type=Path, required=True)
    parser.add_argument("--stubs", type=Path, required=True)
    options = parser.parse_args(arguments)
    folder = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"], ".venv")
    files = wheels(options.runfiles)
    made_of = folder / "flovyn-wheels.sha256"
    if not made_of.exists() or made_of.read_text(encoding="utf-8") != fingerprint(files):
        install(files, folder)
        made_of.write_text(fingerprint(files), encoding="utf-8")
    copy_stubs(options.runfiles, options.stubs, folder / "stubs")
    copy_npm(options.runfiles, folder.parent)
    write_path(folder, "flovyn-stubs", ["../../../stubs"])
    print(f"{folder}: {len(files)} wheels and the generated stubs; use it with: . .venv/bin/activate")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
