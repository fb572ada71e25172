"""Writes an edition that carries its interpreter: a script, the interpreter's archive and the PEX in one file.

The script's place is of a fixed size, so that it can name the places of the other two.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import shutil
import sys
from pathlib import Path

HEADER_SIZE = 8192
"""Bytes in front of the archive, a multiple of usual blocks."""

_START = b"#!/bin/sh\n"


def header(pex: Path, interpreter: Path, python: str) -> bytes:
    """Return the script, filled with line ends up to its size.

    Args:
        pex: the edition.
        interpreter: a ``.tar.gz`` of a folder ``python`` with ``bin/python3.N``.
        python: its CPython minor version.
    """
    values = {
        "PEX_NAME": pex.name,
        "PEX_SHA256": _sha256(pex),
        "PYTHON": f"python{python}",
        "PYTHON_SHA256": _sha256(interpreter),
        "PYTHON_START": HEADER_SIZE + 1,  # bytes are counted from 1, as tail does
        "PYTHON_SIZE": interpreter.stat().st_size,
        "PEX_START": HEADER_SIZE + interpreter.stat().st_size + 1,
    }
    assignments = "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())
    script = _START + assignments.encode() + Path(__file__).with_name("scie_header.sh").read_bytes()
    assert len(script) <= HEADER_SIZE, "scie_header.sh has outgrown its place; raise HEADER_SIZE"
    return script.ljust(HEADER_SIZE, b"\n")


def write_scie(pex: Path, interpreter: Path, python: str, out: Path) -> None:
    """Write the file; ``header`` says what the arguments are."""
    with out.open("wb") as file:
        file.write(header(pex, interpreter, python))
        for part in (interpreter, pex):
            with part.open("rb") as source:
                shutil.copyfileobj(source, file)
    out.chmod(0o755)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: list[str]) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--pex", "--interpreter", "--out"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--python", required=True)
    options = parser.parse_args(arguments)
    write_scie(options.pex, options.interpreter, options.python, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
