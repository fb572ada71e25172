"""Packs the files of a PostgreSQL cluster with the core schema, from which each test target starts its own."""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path

from tests.support.postgres import make_cluster


def main(out: Path) -> None:
    """Write the archive."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        make_cluster(folder)
        with tarfile.open(out, "w") as archive:
            archive.add(folder, ".")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
