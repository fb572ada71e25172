"""Fills the wheelhouse repository: fetch by hash, unpack, and one Bazel target per wheel.

Runs in the repository rule of wheelhouse.bzl, with the repository's folder as working directory. The wheels of the
edition lock are the same on every host of one platform and Python: pip alone would take newer wheels on a newer system,
and an edition that was built there would need that system.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Collection, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from editions.toolchain.fetch import FetchError, fetch, fetch_pip
from editions.toolchain.lockfile import Lock, LockError, asked_extras, merge, merge_locks
from editions.toolchain.probe_python import platform_name
from editions.toolchain.unpack import unpack

if TYPE_CHECKING:
    from editions.toolchain.needs import Wheel
    from editions.toolchain.targets import Target

_HEADER = """\
load("@flovyn_server//editions/toolchain:target_wheels.bzl", "target_wheels")
load("@flovyn_server//editions/toolchain:wheel.bzl", "wheel")

package(default_visibility = ["//visibility:public"])

exports_files(["edition_locks.json"])

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


_OLDEST_PYTHON = "3.11"
"""The oldest Python that builds; a wheel for it, without native code, runs on newer ones, too."""


def host_target(platforms: Collection[str]) -> Target | None:
    """Return the target that this machine and its Python are; None where editions have no such platform."""
    from editions.toolchain.targets import Target

    name = platform_name()
    return Target(name, f"{sys.version_info.major}.{sys.version_info.minor}") if name in platforms else None


def fetch_all(locked: Mapping[str, str], edition: Mapping[str, str], pip: Path, target: Target | None) -> None:
    """Download the wheels of all locks; those of the edition lock for the target, the others for this machine.

    The wheel whose code every edition starts with comes in variants for older and newer Pythons, which differ in their
    files. One variant, whichever Python builds, gives one file for each target.
    """
    from editions.toolchain.target_wheelhouse import for_target

    chosen = for_target(edition, target) if target else {}
    if target:
        fetch(chosen, pip, Path("whl"), target.pip_options())
    others = {name: entry for name, entry in locked.items() if name not in chosen}
    boot = others.pop("pex", None)
    if boot:
        fetch({"pex": boot}, pip, Path("whl"), ["--python-version", _OLDEST_PYTHON])
    if others:
        fetch(others, pip, Path("whl"))


def build(options: argparse.Namespace) -> None:
    """Fetch, unpack and describe the wheels of all locks in the working directory."""
    pip = fetch_pip(merge_locks([options.pip_lock])["pip"], Path("pip"))
    sys.path.insert(0, str(pip))  # for the `packaging` inside it
    from editions.toolchain.needs import Wheel, edges

    locks = [Lock.read(Path(path), label) for label, path in options.edition_lock]
    edition = merge(locks)
    target = host_target(options.platform) if edition else None
    fetch_all(merge([*locks, *map(Lock.read, options.lock)]), edition, pip, target)
    Path("edition_locks.json").write_text(described(options.edition_lock), encoding="utf-8")
    wheels = {wheel.name: wheel for wheel in map(Wheel.read, sorted(Path("whl").glob("*.whl")))}
    with ProcessPoolExecutor() as pool:
        list(pool.map(unpack, [w.file for w in wheels.values()], [Path("unpacked", name) for name in wheels]))
    asked = asked_extras(options.requirements)
    text = build_file(wheels, edges(wheels, asked))
    if target:
        text += edition_wheels({name: wheel for name, wheel in wheels.items() if name in edition}, asked, target)
    Path("BUILD.bazel").write_text(text, encoding="utf-8")


def described(locks: list[list[str]]) -> str:
    """Return name, digest and entries of each lock as JSON, for the build of editions."""
    found = []
    for label, path in locks:
        content = Path(path).read_bytes()
        entries = Lock.read(Path(path), label).entries
        found.append({"name": Path(path).name, "sha256": hashlib.sha256(content).hexdigest(), "entries": entries})
    return json.dumps(found, indent=1) + "\n"


def edition_wheels(wheels: dict[str, Wheel], asked: Mapping[str, set[str]], target: Target) -> str:
    """Write the target's environment; return the Bazel target of the wheels that editions for it may hold."""
    from editions.toolchain.needs import edges
    from editions.toolchain.target_wheelhouse import wheels_target

    Path("environment.json").write_text(json.dumps(target.environment(), indent=1) + "\n", encoding="utf-8")
    return "\n" + wheels_target(target, wheels, edges(wheels, asked, target.markers()), {}, set())


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
    parser.add_argument("--lock", action="append", type=Path, default=[])
    parser.add_argument("--edition-lock", nargs=2, action="append", default=[], metavar=("LABEL", "FILE"))
    parser.add_argument("--platform", action="append", default=[], help="a platform that editions are built for")
    parser.add_argument("--requirements", action="append", type=Path, default=[])
    parser.add_argument("--pip-lock", type=Path, required=True)
    try:
        build(parser.parse_args())
    except (FetchError, LockError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
