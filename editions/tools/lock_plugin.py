"""Locks the wheels of a plugin's own repository: names, versions and hashes that fit those of the server.

./bazelw run @flovyn_server//editions:lock                      requirements.in, into requirements.lock
./bazelw run @flovyn_server//editions:lock -- my/wheels.in      wheels.in, into wheels.lock beside it
./bazelw run @flovyn_server//editions:lock -- --upgrade         takes the newest versions that fit

An edition has one version of each wheel, so the versions of the server's locks are constraints. Where they do not fit,
the lock stays as it was, and both versions of each wheel are told.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from editions.toolchain import lockfile
from editions.toolchain.lockfile import Lock, LockError, split_entry
from editions.tools import workspace
from editions.tools.update_lock import uv_folder

_OPTIONS = (
    *("--quiet", "--no-config", "--universal", "--python-version", "3.11", "--only-binary", ":all:"),
    *("--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate"),
)


def server_locks() -> list[Path]:
    """Return the server's locks whose wheels a plugin shares: of editions, and of what builds and tests them."""
    folder = Path(lockfile.__file__).parent
    return [folder / "runtime.lock", folder / "build.lock"]


def compile_lock(uv: Path, requirements: Path, out: Path, constraints: Sequence[Path], more: Sequence[str]) -> bool:
    """Run ``uv pip compile``; return whether it wrote ``out``. Its messages go to standard error."""
    command = [str(uv / "uv"), "pip", "compile", *_OPTIONS, *more]
    command += [word for lock in constraints for word in ("-c", str(lock))]
    command += [str(requirements), "-o", str(out)]
    return subprocess.run(command, env=workspace.environment(), check=False).returncode == 0


def conflicts(alone: Lock, servers: Sequence[Lock]) -> Iterator[str]:
    """Yield a line for each wheel whose version in ``alone``, resolved without the server, is not the server's."""
    for name, entry in sorted(alone.entries.items()):
        version = split_entry(entry)[0]
        for lock in servers:
            pinned = _version(lock.entries, name)
            if pinned not in ("", version):
                yield f"{name}: {alone.name} leads to {version}, but the server's {lock.name} pins {pinned}"


def lock(requirements: Path, uv: Path, servers: Sequence[Path], more: Sequence[str]) -> Path:
    """Write the lock of ``requirements`` beside it, and return its path.

    Raises:
        LockError: there is no such file, or no set of versions fits; the lock is as it was, and the text names what
            differs.
    """
    if requirements.suffix != ".in" or not requirements.is_file():
        raise LockError(f"{requirements} is no file *.in; write the requirements there, one per line")
    target = requirements.with_suffix(".lock")
    with tempfile.TemporaryDirectory() as scratch:
        new = Path(scratch, target.name)
        if target.exists():
            new.write_bytes(target.read_bytes())  # uv keeps the versions that still fit
        if compile_lock(uv, requirements, new, servers, more):
            target.write_bytes(new.read_bytes())
            return target
        raise LockError(_reason(requirements, uv, servers, Path(scratch, "alone.lock")))


def _reason(requirements: Path, uv: Path, servers: Sequence[Path], out: Path) -> str:
    """Why the requirements fit no server: what they lead to by themselves, held against its versions."""
    if not compile_lock(uv, requirements, out, [], []):
        return f"{requirements.name} cannot be locked, for the reason above; the lock is as it was"
    found = list(conflicts(Lock.read(out, requirements.name), [Lock.read(each) for each in servers]))
    return (
        f"{requirements.name} does not fit the server; the lock is as it was. Allow the server's version of one of"
        " these wheels in the requirements, or use another version of what needs it:\n  " + "\n  ".join(found)
    )


def _version(entries: Mapping[str, str], name: str) -> str:
    return split_entry(entries[name])[0] if name in entries else ""


def main(arguments: list[str]) -> int:
    """Run from ``bazel run @flovyn_server//editions:lock``; 1 and the reason when the lock stays as it was."""
    parser = argparse.ArgumentParser(
        prog="./bazelw run @flovyn_server//editions:lock --",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "file", nargs="?", type=Path, help="the requirements, *.in; requirements.in of the workspace by default"
    )
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    options = parser.parse_args(arguments)
    file = workspace.caller() / options.file if options.file else workspace.root() / "requirements.in"
    try:
        written = lock(file, uv_folder(), server_locks(), ["--upgrade"] if options.upgrade else [])
    except LockError as error:
        return workspace.told(error)
    print(f"{written}: {len(Lock.read(written).entries)} wheels")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
