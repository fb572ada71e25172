"""Packs wheels, and nothing else, into a PEX: the layer below an edition's sources.

The wheels are already chosen and checked, so there is no resolver and no network; every input of the bytes is named
here. For another platform pex is told the target's tags and markers instead of asking an interpreter. Which host packs
never shows: pex would write down where the host's interpreter lies; the file names the version that it needs instead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from pex.interpreter_constraints import InterpreterConstraints
from pex.pex_info import PexInfo

from editions.tools.boot_header import boot_header
from editions.tools.pex_file import read_header, replace, with_interpreter

_UNPACKED_SHARE = 1.5
"""Room for the copy, as a share of its files: `full` took 1.2 at first and 1.3 once commands had compiled modules."""

MAIN = "__main__.py"
_ALWAYS = ("--no-pypi", "--venv", "prepend", "--sh-boot", "--no-emit-warnings")


def command(options: argparse.Namespace) -> list[str]:
    """Return the command that packs the wheels, for this interpreter or for the target that is described."""
    resolved = [argument for wheel in options.wheel for argument in ("--pre-resolved-dist", wheel)]
    here = ["--python", sys.executable]
    target = ["--complete-platform", str(options.environment)] if options.environment else here
    start = [sys.executable, "-s", "-m", "pex", *_ALWAYS, *target]
    return [*start, "-e", options.entry, "-o", str(options.out.absolute()), *resolved, *options.require]


def environment(scratch: Path) -> dict[str, str]:
    """Return the whole environment of pex: nothing of the caller's but where modules are."""
    return {
        "HOME": str(scratch),
        "LC_ALL": "C.UTF-8",
        "PATH": os.defpath,
        "PEX_IGNORE_RCFILES": "1",
        "PEX_ROOT": str(scratch / "pex"),
        "PIP_CONFIG_FILE": os.devnull,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(
            str(Path(path).absolute()) for path in os.environ["PYTHONPATH"].split(os.pathsep)
        ),
        "SOURCE_DATE_EPOCH": "315532800",
        "TMPDIR": str(scratch),
    }


def room(pex: Path) -> int:
    """Return the KiB that the unpacked copy of ``pex`` takes, with the files that Python compiles in it."""
    with zipfile.ZipFile(pex) as archive:
        return round(sum(entry.file_size for entry in archive.infolist()) * _UNPACKED_SHARE / 1024)


def bind(pex: Path, platform: str, python: str) -> None:
    """Make ``pex`` need one CPython minor version of one platform, wherever that lies."""
    info = PexInfo.from_pex(str(pex))
    info.interpreter_constraints = InterpreterConstraints.parse(f"CPython=={python}.*")
    contents = Path(info.raw_venv_dir(str(pex)).path).name
    header = boot_header(
        read_header(pex).decode(), platform, python, info.distributions, contents=contents, kib=room(pex)
    )
    with zipfile.ZipFile(pex) as archive:
        main = archive.read(MAIN)
    changed = {
        "PEX-INFO": json.dumps(info.as_json_dict(), sort_keys=True).encode(),
        MAIN: with_interpreter(main, python),
    }
    replace(pex, header.encode(), changed)


def main() -> int:
    """Run from the command line; pex's own exit status, and its output when it fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entry", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--platform", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--environment", type=Path, help="the target's markers and tags; without it, this interpreter")
    parser.add_argument("--require", action="append", default=[])
    parser.add_argument("--wheel", action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as scratch:
        done = subprocess.run(
            command(options), env=environment(Path(scratch)), capture_output=True, text=True, check=False
        )
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
        return done.returncode
    bind(options.out, options.platform, options.python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
