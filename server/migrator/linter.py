"""The migration linter, where it is installed: in the build, in tests and in ``dev`` editions.

The only module of the server that imports ``migrations.lint``, and only when a function needs it: production editions
do not contain it, and an import is slow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from core.errors import MigrationError
from core.migration import PluginMigration


def is_installed() -> bool:
    """Return whether this file or environment contains the linter."""
    return find_spec("migrations.lint") is not None


def check(plugin: str, migration: PluginMigration, earlier: Sequence[str]) -> None:
    """Check a plugin's migration.

    Raises:
        MigrationError: lists every rule that it breaks, with line and column.
    """
    from migrations.lint import lint, selftest

    selftest.assert_sound()
    findings = [each for each in lint(plugin, migration.sql, earlier) if each.severity == "error"]
    if findings:
        lines = [
            f"\n  {migration.file}:{each.line}:{each.column}: {each.rule} {each.message}; {each.hint}"
            for each in findings
        ]
        raise MigrationError(f"{plugin}: a migration breaks the rules; nothing was run{''.join(lines)}")


def proof(owner: str, sql: str, earlier: Sequence[str]) -> Mapping[str, Any]:
    """Return the proof of a migration, in the form of ``edition.json``."""
    from migrations.lint.proof import proof

    return proof(owner, sql, earlier)


def core_names(texts: Iterable[str]) -> frozenset[str]:
    """Return the names of all objects that the core's migrations make."""
    from migrations.lint import core_objects

    return frozenset(name for _, name in core_objects(texts))
