"""Check that an edition is, byte for byte, as it was built: the file, what lies beside it, and its unpacked copies."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import InvalidInput
from server.boot.edition import Edition
from server.verification import beside, compiled, signature, unpacked
from server.verification.archive import MANIFEST, inspect
from server.verification.environment import Origin

SCHEMA = 1
"""Version of the JSON form."""

_EPILOG = """\
Finds damage, and changes after which the file was not sealed again. Whether it is the released file, SHA256SUMS or the
provenance from another place must show. A running copy verifies itself: where others may have changed it, verify it
with a file that you trust, or remove the copy.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", nargs="?", type=Path, help="another edition's file; without it, the one that runs")
    parser.add_argument(
        "--public-key", type=Path, metavar="KEY", help="a PEM file; the files beside the edition must be signed by it"
    )
    parser.add_argument("--bytecode", action="store_true", help="compile unpacked modules again and compare; slow")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.epilog = _EPILOG


@dataclass(frozen=True, slots=True)
class Report:
    """The parts that were checked, and the problems."""

    file: Path
    members: int = 0
    beside: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Return the JSON form."""
        checked = {"members": self.members, "beside": self.beside, "copies": self.copies}
        return {
            "schema": SCHEMA,
            "file": str(self.file),
            "ok": not self.problems,
            "checked": checked,
            "problems": self.problems,
        }

    def as_text(self) -> str:
        """Return one line when all is well, or one for each problem."""
        if self.problems:
            return "".join(f"{_printable(f'{self.file}: {problem}')}\n" for problem in self.problems)
        parts = f"{self.members} members, {len(self.beside)} files beside it, {len(self.copies)} unpacked folders"
        return f"{self.file}: whole ({parts})\n"


def run(_edition: Edition, arguments: argparse.Namespace) -> int:
    """Verify, print, and return 1 when anything differs."""
    report = verify(_file(arguments.file), bytecode=arguments.bytecode, public_key=arguments.public_key)
    sys.stdout.write(json.dumps(report.as_json(), indent=2) + "\n" if arguments.json else report.as_text())
    return 1 if report.problems else 0


def verify(file: Path, *, bytecode: bool = False, public_key: Path | None = None) -> Report:
    """Check a file, the files beside it, and its copies below the running one's PEX root.

    With a public key, checksums and provenance must be there, each with a signature by that key.

    Raises:
        InvalidInput: there is no such file, or the key cannot be used.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}; name an edition's file") from None
    found = inspect(content)
    problems = [*found.problems, *beside.problems(file, content, found.documents)]
    if public_key is not None:
        problems += signature.problems(file, public_key)
    copies: list[unpacked.Copy] = []
    members = found.manifest.get("members", {})
    root = unpacked.root_of(Path(sys.prefix))
    if root is not None and MANIFEST in found.documents:
        copies = unpacked.copies(root, found.pex_hash, members, found.documents[MANIFEST])
        problems += unpacked.problems(copies, Origin(members, found.documents))
        if bytecode:
            environments = [each.environment for each in copies if each.environment is not None]
            problems += compiled.problems([copy.folder for copy in copies], environments)
    names = [path.name for path in beside.files(file)]
    return Report(file, len(members), names, [str(copy.folder) for copy in copies], problems)


def _printable(line: str) -> str:
    """The line with control characters spelled out: names of a strange archive must not write over the answer."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)


def _file(named: Path | None) -> Path:
    if named is not None:
        return named
    if not os.environ.get("PEX"):
        raise InvalidInput("this server does not run from an edition's file; name one: flovyn-server verify FILE")
    return Path(os.environ["PEX"])
