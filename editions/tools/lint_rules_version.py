"""Writes the version of the migration rules to a file: editions say which rules their migrations passed."""

from __future__ import annotations

import sys
from pathlib import Path

from migrations.lint import RULES_VERSION


def main(arguments: list[str]) -> int:
    """Write to the one file named on the command line."""
    Path(arguments[0]).write_text(f"{RULES_VERSION}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
