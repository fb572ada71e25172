"""Refreshes the wheels' locks and says what changed.

./bazelw run //editions:update-lock                 locks again, keeping the versions that still fit
./bazelw run //editions:update-lock -- --upgrade    takes the newest versions
./bazelw run //editions:update-lock -- NAME…        takes the newest versions of these wheels

``editions/toolchain/lock.sh`` does the work, in a copy of its folder; the locks are replaced only when all of them are
good: a failure changes none.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from editions.toolchain.lockfile import LockError, parse_lock
from editions.tools import workspace

TOOLCHAIN = Path("editions/toolchain")
Locks = Mapping[str, Mapping[str, str]]
"""Versions by wheel, by lock."""


def uv_folder() -> Path:
    """Return the folder of the locked uv."""
    return (workspace.repository(Path(".."), "lint_wheels") / "unpacked/uv/bin").resolve()


def versions(folder: Path) -> dict[str, dict[str, str]]:
    """Return the versions of every lock in the folder.

    Raises:
        LockError: a lock holds something else than names and hashes, or an address.
    """
    found = {}
    for file in sorted(folder.glob("*.lock")):
        text = file.read_text("utf-8")
        if "://" in text:
            raise LockError(f"{file.name} holds an address; locks hold names and hashes alone")
        entries = parse_lock(text, file.name)
        found[file.name] = {name: entry.split("==", 1)[1].split()[0] for name, entry in entries.items()}
    return found


def changes(before: Locks, after: Locks) -> Iterator[str]:
    """Yield a line for every wheel of every lock that was added, removed or moved to another version."""
    for lock in sorted({*before, *after}):
        old, new = before.get(lock, {}), after.get(lock, {})
        for name in sorted({*old, *new}):
            if name not in old:
                yield f"{lock}: {name} {new[name]} (added)"
            elif name not in new:
                yield f"{lock}: {name} {old[name]} (removed)"
            elif old[name] != new[name]:
                yield f"{lock}: {name} {old[name]} -> {new[name]}"


def options_of(upgrade: list[str], *, everything: bool, known: Locks) -> list[str]:
    """Return the arguments of lock.sh.

    Raises:
        LockError: no lock has a wheel of one of the names.
    """
    if everything:
        return ["--upgrade"]
    names = {name for lock in known.values() for name in lock}
    for name in upgrade:
        if name not in names:
            raise LockError(f"no lock has a wheel {name!r}; add it to a .in file, then run this without a name")
    return [f"--upgrade-package={name}" for name in upgrade]


def lock_again(folder: Path, options: list[str], uv: Path) -> None:
    """Run the folder's lock.sh with uv in front of everything else on the path.

    Raises:
        LockError: it failed; uv's own words stand on standard error.
    """
    variables = workspace.environment()
    variables["PATH"] = f"{uv.resolve()}{os.pathsep}{variables['PATH']}"
    command = ["/bin/sh", str(folder / "lock.sh"), *options]
    done = subprocess.run(command, env=variables, check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise LockError("locking failed, for the reason above; the locks are as they were")


def refresh(toolchain: Path, upgrade: list[str], *, everything: bool, uv: Path) -> list[str]:
    """Lock again and return what changed.

    Raises:
        LockError: something failed, and nothing was changed.
    """
    before = versions(toolchain)
    options = options_of(upgrade, everything=everything, known=before)
    with tempfile.TemporaryDirectory(dir=toolchain, prefix=".lock.") as scratch:
        folder = Path(scratch)
        for file in (toolchain / "lock.sh", *toolchain.glob("*.in"), *toolchain.glob("*.lock")):
            shutil.copy(file, folder)
        lock_again(folder, options, uv)
        after = versions(folder)
        for name in after:
            (folder / name).replace(toolchain / name)
    return list(changes(before, after))


def main(arguments: list[str]) -> int:
    """Run from ``bazel run //editions:update-lock``; 1 when the locks stay as they were because something failed."""
    parser = argparse.ArgumentParser(
        prog="./bazelw run //editions:update-lock --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="wheels to take the newest version of")
    parser.add_argument("--upgrade", action="store_true", help="take the newest version of every wheel")
    options = parser.parse_args(arguments)
    if options.upgrade and options.names:
        parser.error("--upgrade is for every wheel; leave out the names")
    try:
        found = refresh(workspace.root() / TOOLCHAIN, options.names, everything=options.upgrade, uv=uv_folder())
    except LockError as error:
        return workspace.told(error)
    print("\n".join(found) or "no version changed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
