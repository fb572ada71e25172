"""The private PostgreSQL of `dev` and of tests, where it cannot run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

START = """
import sys
from pathlib import Path
from core.errors import StartupError
from server.database.embedded import Cluster

try:
    Cluster(Path(sys.argv[1]), binaries=Path("/nowhere")).start()
except StartupError as error:
    print(error)
"""
NO_NAME_SPACES = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$0" "$@"'


def test_root_without_name_spaces_is_told_to_be_another_user(tmp_path: Path) -> None:
    """PostgreSQL refuses root, and a user without rights to root's folders could not start its programs."""
    unshare = shutil.which("unshare")
    inside = [unshare or "unshare", "-Urm", "sh", "-c", NO_NAME_SPACES]
    if unshare is None or subprocess.run([*inside, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs a user name space in which to forbid others")
    command = [*inside, sys.executable, "-c", START, str(tmp_path / "data")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "this machine offers no user name spaces" in done.stdout
    assert done.stdout.endswith("start this as an ordinary user\n")
    assert list(tmp_path.iterdir()) == []
