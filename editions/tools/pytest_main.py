"""Starts pytest as Bazel expects of a test: XML report, filter, shards, and files only below the test's own folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


class Shard:
    """Keeps every n-th test and remembers how many there were in all."""

    def __init__(self, index: int, total: int) -> None:
        self._index = index
        self._total = total
        self.collected = 0

    def pytest_collection_modifyitems(self, items: list[pytest.Item], config: pytest.Config) -> None:
        """Deselect the tests of other shards."""
        self.collected = len(items)
        others = [item for number, item in enumerate(items) if number % self._total != self._index]
        config.hook.pytest_deselected(items=others)
        items[:] = items[self._index :: self._total]


def options() -> list[str]:
    """Return pytest's options as Bazel's variables ask for them."""
    found = [
        "-ra",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        f"--rootdir={Path.cwd()}",
        f"--confcutdir={Path.cwd()}",
    ]
    if folder := os.environ.get("TEST_TMPDIR"):
        found.append(f"--basetemp={folder}/pytest")
    if report := os.environ.get("XML_OUTPUT_FILE"):
        found.append(f"--junitxml={report}")
    if words := os.environ.get("TESTBRIDGE_TEST_ONLY"):
        found += ["-k", words]
    return found


def shard() -> Shard:
    """Return the shard that this process is, and tell Bazel that shards are understood."""
    if status := os.environ.get("TEST_SHARD_STATUS_FILE"):
        Path(status).touch()
    return Shard(int(os.environ.get("TEST_SHARD_INDEX", "0")), int(os.environ.get("TEST_TOTAL_SHARDS", "1")))


def main(arguments: list[str]) -> int:
    """Run the tests; a target without any fails, but not a shard, nor a target that the filter leaves empty."""
    part = shard()
    status = pytest.main([*options(), *arguments], plugins=[part])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED and (part.collected or "TESTBRIDGE_TEST_ONLY" in os.environ):
        return 0
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
