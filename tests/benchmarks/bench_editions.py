"""How long builds take, how large editions are, and how soon they answer.

    .venv/bin/python -m tests.benchmarks.bench_editions

Works on this checkout and restores the file that it edits. Wheels must have been fetched: build //editions:all first.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.pex import Serving, pex
from tests.support.postgres import running_cluster

ROUNDS = 5
EDITED = Path("plugins/worker_token/domain.py")
MIB = 1024 * 1024


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _bazel(*arguments: str) -> None:
    subprocess.run(["./bazelw", *arguments], check=True, capture_output=True)


def _median(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    return statistics.median(_seconds(call) for _ in range(rounds))


def _edit_and_build() -> float:
    """Return the seconds from a changed line in a plugin to its edition."""
    original = EDITED.read_text()
    taken = []
    try:
        for number in range(ROUNDS):
            EDITED.write_text(f"{original}\n# edited {number}\n")
            taken.append(_seconds(lambda: _bazel("build", "//editions:full")))
    finally:
        EDITED.write_text(original)
        _bazel("build", "//editions:full")
    return statistics.median(taken)


def _clean_build() -> float:
    _bazel("clean")
    return _seconds(lambda: _bazel("build", "//editions:full"))


def _serve() -> float:
    """Return the seconds until a warm edition serves on a database that is up to date."""
    with tempfile.TemporaryDirectory() as name, running_cluster(Path(name)) as databases, databases.empty() as url:

        def start() -> float:
            began = time.perf_counter()
            with Serving("FULL_PEX", url):
                return time.perf_counter() - began

        start()
        return statistics.median(start() for _ in range(ROUNDS))


def main() -> None:
    """Print the table."""
    _bazel("build", "//editions:all")
    print(f"no-op build                     {_median(lambda: _bazel('build', '//editions:full')):6.2f} s")
    print(f"a line of a plugin -> full      {_edit_and_build():6.2f} s")
    print(f"clean build of full             {statistics.median(_clean_build() for _ in range(3)):6.2f} s")
    _bazel("build", "//editions:all")
    for name in ("MINIMAL_PEX", "FULL_PEX", "DEV_PEX"):
        print(f"{pex(name).name:<20}            {pex(name).stat().st_size / MIB:6.2f} MiB")
    with tempfile.TemporaryDirectory() as root:
        environ = {**os.environ, "PEX_ROOT": root}
        version = [str(pex("FULL_PEX")), "version"]
        first = _seconds(lambda: subprocess.run(version, check=True, capture_output=True, env=environ))
        again = _median(lambda: subprocess.run(version, check=True, capture_output=True, env=environ), 11)
        print(f"version, first start            {first:6.2f} s")
        print(f"version, second start           {again:6.3f} s")
        verify = [str(pex("FULL_PEX")), "verify"]
        whole = _median(lambda: subprocess.run(verify, check=True, capture_output=True, env=environ), 11)
        print(f"verify, with its unpacked copy  {whole:6.3f} s")
    two = ("run", "//editions:diff", "--", "full", "//editions:full")
    print(f"diff of two built editions      {_median(lambda: _bazel(*two)):6.2f} s")
    print(f"serving, second start           {_serve():6.2f} s")


if __name__ == "__main__":
    main()
