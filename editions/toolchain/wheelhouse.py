"""Fills the wheelhouse repository: fetch by hash, unpack, and one Bazel target per wheel.

Runs in the repository rule of wheelhouse.bzl, with the repository's folder as working directory.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from editions.toolchain.fetch import FetchError, fetch, fetch_pip
from editions.toolchain.lockfile import LockError, asked_extras, merge_locks
from editions.toolchain.unpack import unpack

if TYPE_CHECKING:
    from editions.toolchain.needs import Wheel

_HEADER = """\
load("@flovyn_server//editions/toolchain:wheel.bzl", "wheel")

package(default_visibility = ["//visibility:public"])

filegroup(
    name = "whl",
    srcs = glob(["whl/*.whl"]),
)

filegroup(
    name = "trees",
    srcs = [{trees}],
)
"""

_WHEEL = """
wheel(
    name = "{name}",
    version = "{version}",
    tree = "unpacked/{name}",
    whl = "whl/{file}",
    deps = [{deps}],
)
"""


def build(locks: list[Path], requirements: list[Path], pip_lock: Path) -> None:
    """Fetch, unpack and describe the wheels of ``locks`` in the working directory."""
    pip = fetch_pip(merge_locks([pip_lock])["pip"], Path("pip"))
    fetch(merge_locks(locks), pip, Path("whl"))
    sys.path.insert(0, str(pip))  # for the `packaging` inside it
    from editions.toolchain.needs import Wheel, edges

    wheels = {wheel.name: wheel for wheel in map(Wheel.read, sorted(Path("whl").glob("*.whl")))}
    with ProcessPoolExecutor() as pool:
        list(pool.map(unpack, [w.file for w in wheels.values()], [Path("unpacked", name) for name in wheels]))
    needs = edges(wheels, asked_extras(requirements))
    Path("BUILD.bazel").write_text(build_file(wheels, needs), encoding="utf-8")


def build_file(wheels: dict[str, Wheel], needs: dict[str, set[str]]) -> str:
    """Return the text of the repository's BUILD file."""
    text = _HEADER.format(trees=", ".join(f'"unpacked/{name}"' for name in sorted(wheels)))
    for name, wheel in sorted(wheels.items()):
        deps = ", ".join(f'":{other}"' for other in sorted(needs[name]))
        text += _WHEEL.format(name=name, version=wheel.version, file=wheel.file.name, deps=deps)
    return text


def main() -> int:
    """Run from the command line; 1 and one message when wheels cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", action="append", type=Path, required=True)
    parser.add_argument("--requirements", action="append", type=Path, default=[])
    parser.add_argument("--pip-lock", type=Path, required=True)
    options = parser.parse_args()
    try:
        build(options.lock, options.requirements, options.pip_lock)
    except (FetchError, LockError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
