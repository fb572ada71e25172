"""The times that a release engineer and an operator wait, and the resources of an idle server.

    .venv/bin/python -m tests.benchmarks.bench_release

Build //editions:all first; the wheels of other platforms are fetched once, before the clock starts.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.support.pex import Serving, pex
from tests.support.postgres import running_cluster

ROUNDS = 7
MIB = 1024 * 1024
BOOT = "import sys; from flovyn_edition import main; sys.argv = ['flovyn-server', *sys.argv[1:]]; main()"
PLATFORMS = ("linux-x86_64", "linux-aarch64", "macos-arm64")


def _median(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    return statistics.median(_seconds(call) for _ in range(rounds))


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _plain(folder: Path) -> Path:
    """Return a program that runs the full edition's code from this checkout and the wheels of ``.venv``."""
    with zipfile.ZipFile(pex("FULL_PEX")) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith("flovyn_edition/")])
    path = os.pathsep.join([str(folder), str(Path.cwd()), str(Path(".venv/stubs").absolute())])
    program = folder / "plain"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {sys.executable} -s -c "{BOOT}" "$@"\n')
    program.chmod(0o755)
    return program


def _start(program: Path, url: str) -> float:
    began = time.perf_counter()
    with Serving(program, url):
        return time.perf_counter() - began


def _idle(url: str) -> float:
    """Return the MiB of an idle server with one worker process, pages that it shares counted by its share of them."""
    with Serving("FULL_PEX", url) as server:
        time.sleep(5)
        return sum(_pss(pid) for pid in (server.process.pid, *server.workers()))


def _pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _serving() -> None:
    with tempfile.TemporaryDirectory() as name, running_cluster(Path(name)) as databases, databases.empty() as url:
        plain = _plain(Path(name))
        pairs = [(_start(pex("FULL_PEX"), url), _start(plain, url)) for _ in range(ROUNDS + 1)][1:]
        ours, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
        print(f"warm start to serving, PEX / plain venv   {ours:6.2f} / {theirs:.2f} s ({ours / theirs:.2f}, <= 1.5)")
        print(f"idle server with one worker               {_idle(url):6.1f} MiB (<= 95, that is 100 MB)")


def _editions() -> None:
    full, minimal = str(pex("FULL_PEX")), str(pex("MINIMAL_PEX"))
    print(f"full.pex                                  {Path(full).stat().st_size / MIB:6.2f} MiB (<= 27)")
    print(f"verify                                    {_median(lambda: _run(full, 'verify')):6.2f} s (<= 1)")
    differ = ["./bazelw", "run", "//editions:diff", "--", full, minimal]
    took = _median(lambda: subprocess.run(differ, check=False, capture_output=True))
    print(f"diff, with Bazel's own start              {took:6.2f} s (<= 2)")


def _matrix() -> None:
    """Build every edition for every platform anew, from wheels that are at hand."""
    cells = [f"//editions:{name}-{where}-py3.11" for name in ("minimal", "full", "dev") for where in PLATFORMS]
    _run("./bazelw", "build", *cells)
    _run("./bazelw", "clean")
    print(
        f"3 editions x 3 platforms, warm wheels     {_seconds(lambda: _run('./bazelw', 'build', *cells)):6.1f} s (<= 60)"
    )


def main() -> None:
    """Print the table."""
    _serving()
    _editions()
    _matrix()


if __name__ == "__main__":
    main()
