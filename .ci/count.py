"""Prints how many test cases ran and how many of them failed, from the XML reports below a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET


def count(folder: Path) -> tuple[int, int]:
    """Return the number of cases that were not skipped, and of those that failed."""
    ran = failed = 0
    for report in folder.rglob("test.xml"):
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own reports
            ran += case.find("skipped") is None
            failed += case.find("failure") is not None or case.find("error") is not None
    return ran, failed


if __name__ == "__main__":
    # Bazel shows reports through symbolic links, which rglob would not follow
    print(*count(Path(sys.argv[1]).resolve()))
