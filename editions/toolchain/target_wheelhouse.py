"""Fills the wheelhouse of one platform and Python: fetch by hash for that target, and one Bazel target for all.

Runs in the repository rule of target_wheelhouse.bzl, with the repository's folder as working directory. A wheel that
does not exist for the target is no failure here: an edition that does not reach it can be built, and one that does
reports all that it lacks at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from editions.toolchain.fetch import FetchError, MissingWheelError, fetch, fetch_pip
from editions.toolchain.lockfile import Lock, LockError, asked_extras, merge, merge_locks, split_entry

if TYPE_CHECKING:
    from editions.toolchain.needs import Wheel
    from editions.toolchain.targets import Target

_LOAD = 'load("@flovyn_server//editions/toolchain:target_wheels.bzl", "target_wheels")\n\n'

_TARGET = """\
target_wheels(
    name = "wheels",
    environment = "environment.json",
    excluded = {excluded},
    missing = {missing},
    needs = {needs},
    platform = "{platform}",
    python = "{python}",
    visibility = ["//visibility:public"],
    wheels = {wheels},
)
"""


def for_target(entries: Mapping[str, str], target: Target) -> dict[str, str]:
    """Return the lock's entries that apply to the target, without their markers, which pip would ask the host about."""
    from pip._vendor.packaging.markers import Marker

    kept = {}
    for name, entry in entries.items():
        version, marker, hashes = split_entry(entry)
        if not marker or Marker(marker).evaluate(target.markers()):
            kept[name] = f"{name}=={version} {hashes}"
    return kept


def fetch_available(entries: Mapping[str, str], pip: Path, to: Path, target: Target) -> dict[str, str]:
    """Download every entry that exists for the target into ``to``; return the pins of those that do not, by name."""
    wanted, missing = dict(entries), {}
    while True:
        try:
            fetch(wanted, pip, to, target.pip_options())
        except MissingWheelError as error:
            missing[error.name] = wanted.pop(error.name).split()[0]
        else:
            return missing


def explain(pin: str, target: Target, repository: str) -> str:
    """Return in words that a wheel does not exist for the target, and what can be done."""
    name, _, version = pin.partition("==")
    lack = f"{name} {version} has no wheel for {target.platform}, CPython {target.python}"
    folder = os.environ.get("FLOVYN_WHEELHOUSE")
    if folder:
        return f"{lack}, in {folder} (FLOVYN_WHEELHOUSE); put it there and run: ./bazelw sync --only={repository}"
    return lack


def wheels_target(
    target: Target,
    wheels: Mapping[str, Wheel],
    needs: Mapping[str, set[str]],
    missing: Mapping[str, str],
    excluded: set[str],
) -> str:
    """Return the Bazel target of a platform's and Python's wheels, as text of a BUILD file."""
    return _TARGET.format(
        excluded=json.dumps(sorted(excluded)),
        missing=json.dumps(missing, sort_keys=True),
        needs=json.dumps({name: sorted(others) for name, others in sorted(needs.items())}),
        platform=target.platform,
        python=target.python,
        wheels=json.dumps({f"whl/{wheel.file.name}": f"{name}=={wheel.version}" for name, wheel in wheels.items()}),
    )


def build(options: argparse.Namespace) -> None:
    """Fetch and describe the target's wheels in the working directory."""
    pip = fetch_pip(merge_locks([options.pip_lock])["pip"], Path("pip"))
    sys.path.insert(0, str(pip))  # for the `packaging` inside it
    from editions.toolchain.needs import Wheel, edges
    from editions.toolchain.targets import Target

    target = Target(options.platform, options.python)
    locked = merge(Lock.read(Path(path), label) for label, path in options.edition_lock)
    entries = for_target(locked, target)
    pins = fetch_available(entries, pip, Path("whl"), target)
    wheels = {wheel.name: wheel for wheel in map(Wheel.read, sorted(Path("whl").glob("*.whl")))}
    needs = edges(wheels, asked_extras(options.requirements), target.markers(), pins)
    missing = {name: explain(pin, target, options.repository) for name, pin in pins.items()}
    Path("environment.json").write_text(json.dumps(target.environment(), indent=1) + "\n", encoding="utf-8")
    text = wheels_target(target, wheels, needs, missing, locked.keys() - entries.keys())
    Path("BUILD.bazel").write_text(_LOAD + text, encoding="utf-8")


def main() -> int:
    """Run from the command line; 1 and one message when wheels cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--platform", "--python", "--repository"):
        parser.add_argument(name, required=True)
    parser.add_argument("--edition-lock", nargs=2, action="append", required=True, metavar=("LABEL", "FILE"))
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
