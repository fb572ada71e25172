"""Prints where a JSON file is broken, as ``line:column: reason``; prints nothing when it is not.

Bazel's own reader knows neither line nor column.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def fault(text: str) -> str:
    """Return where the text is no JSON and why; an empty string when it is JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"{error.lineno}:{error.colno}: {error.msg}"
    return ""


def main(arguments: list[str]) -> int:
    """Run from a repository rule: the file to read."""
    (file,) = arguments
    print(fault(Path(file).read_text("utf-8")), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
