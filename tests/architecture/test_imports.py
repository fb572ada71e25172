"""The import contract of pyproject.toml holds."""

from __future__ import annotations

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports


def test_import_contract() -> None:
    """Every import points the way that the architecture allows; the report names those that do not, as chains."""
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == EXIT_STATUS_SUCCESS
