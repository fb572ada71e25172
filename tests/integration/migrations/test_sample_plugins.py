"""The sample plugins go through the whole conformance test, as every plugin does at its build."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sample_plugins import SAMPLES, write

FILE = Path(__file__).parents[2] / "conformance" / "test_plugin.py"


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_conforms(tmp_path: Path, name: str) -> None:
    """A job queue, an outbox, an audit trail and partitioned metrics pass every test of the file, and skip none."""
    entry = write(tmp_path, name)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environ = {**os.environ, "PYTHONPATH": path, "PLUGIN_ENTRY": entry, "PLUGIN_ENVIRON": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FILE)]
    done = subprocess.run(
        command, cwd=FILE.parents[2], env=environ, check=False, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout
    tests = re.findall(r"^(?:async )?def test_", FILE.read_text(), re.MULTILINE)
    assert re.search(rf"^{len(tests)} passed", done.stdout, re.MULTILINE), done.stdout
