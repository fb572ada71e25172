"""The server's own migrations are held to rules as well."""

from __future__ import annotations

from importlib.resources import files

import pytest

from core.migration import PluginMigration
from migrations.lint import lint_core

MIGRATIONS = PluginMigration.from_folder(files("migrations"))


def test_there_are_core_migrations() -> None:
    """The list below is not empty, and no number is given twice: branches that are worked on at once leave gaps."""
    numbers = [each.version for each in MIGRATIONS]
    assert numbers == sorted(set(numbers))
    assert MIGRATIONS


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda migration: migration.file)
def test_a_core_migration_follows_the_core_rules(migration: PluginMigration) -> None:
    """No plugin's names, nothing destructive without its reason, nothing that leaves the transaction."""
    earlier = [each.sql for each in MIGRATIONS if each.version < migration.version]
    assert [str(each) for each in lint_core(migration.sql, earlier) if each.severity == "error"] == []
