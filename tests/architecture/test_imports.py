"""The import contract of pyproject.toml holds."""

from __future__ import annotations

import subprocess
import sys

# in a process of its own: the library sets up logging for the whole process that it runs in
_LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports('pyproject.toml', no_cache=True))"


def test_import_contract() -> None:
    """Every import points the way that the architecture allows; the report names those that do not, as chains."""
    done = subprocess.run([sys.executable, "-c", _LINT], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: 8 kept, 0 broken." in done.stdout
