"""The pending migrations, and the histories that the migrator must refuse."""

from __future__ import annotations

import pytest

from core.errors import MigrationError
from core.migration import PluginMigration
from server.migrator.history import Applied, Owner, compare


def _migration(version: int, sql: str = "SELECT 1") -> PluginMigration:
    return PluginMigration(version, "x", sql, f"{version:04}_x.sql")


def _applied(version: int, sql: str = "SELECT 1", owner: str = "a") -> Applied:
    return Applied(owner, version, "x", _migration(version, sql).checksum)


def test_migrations_that_are_not_applied_are_pending_in_the_owners_order() -> None:
    """Owners keep their order, versions theirs."""
    plan = compare([Owner("core", [_migration(1)]), Owner("a", [_migration(1), _migration(2)])], [_applied(1)])
    assert [str(each) for each in plan.pending] == ["core 0001_x.sql", "a 0002_x.sql"]


def test_an_edited_migration_is_refused_by_name() -> None:
    """History is not rewritten."""
    with pytest.raises(MigrationError, match=r"a: migration 0001_x\.sql was changed after it was applied"):
        compare([Owner("a", [_migration(1, "SELECT 2")])], [_applied(1)])


def test_a_migration_before_an_applied_one_is_refused() -> None:
    """A gap that is filled late would run in another order on other databases."""
    with pytest.raises(MigrationError, match=r"0001_x\.sql is older than version 0002"):
        compare([Owner("a", [_migration(1), _migration(2)])], [_applied(2)])


def test_a_database_ahead_of_the_edition_is_not_refused() -> None:
    """During a rolling upgrade the older edition goes on serving."""
    plan = compare([Owner("a", [_migration(1)])], [_applied(1), _applied(2)])
    assert ([each.version for each in plan.ahead], plan.pending) == ([2], ())


def test_other_owners_rows_do_not_matter() -> None:
    """A plugin that is not in the edition keeps its tables and rows."""
    assert compare([Owner("a", [])], [_applied(1, owner="gone")]).ahead == ()
