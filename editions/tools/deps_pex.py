"""Packs wheels, and nothing else, into a PEX: the layer below an edition's sources.

The wheels are already chosen and checked, so there is no resolver and no network; every input of the bytes is named
here.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_ALWAYS = ("--no-pypi", "--venv", "prepend", "--sh-boot", "--no-emit-warnings")


def command(entry: str, out: Path, requirements: list[str], wheels: list[str]) -> list[str]:
    """Return the command that writes ``out``."""
    resolved = [argument for wheel in wheels for argument in ("--pre-resolved-dist", wheel)]
    python = sys.executable
    return [
        python,
        "-s",
        "-m",
        "pex",
        *_ALWAYS,
        "--python",
        python,
        "-e",
        entry,
        "-o",
        str(out),
        *resolved,
        *requirements,
    ]


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


def main() -> int:
    """Run from the command line; pex's own exit status, and its output when it fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entry", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--require", action="append", default=[])
    parser.add_argument("--wheel", action="append", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as scratch:
        pex = command(options.entry, options.out.absolute(), options.require, options.wheel)
        done = subprocess.run(pex, env=environment(Path(scratch)), capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
