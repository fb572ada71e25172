"""Names of plugins and of migration files."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import PluginError
from core.migration import MAX_MIGRATION_BYTES, PluginMigration, check_plugin_name, in_order, table_prefix


@pytest.mark.parametrize("name", ["audit-log", "a", "jwt", "s3-export-2", "x" * 24])
def test_good_names_are_accepted(name: str) -> None:
    """Lower-case words joined by single hyphens are plugin names."""
    assert check_plugin_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "Audit", "audit_log", "-a", "a-", "a--b", "1a", "a b", "é", "x" * 25, "core", "a\n", "../a"]
)
def test_names_that_could_collide_are_refused(name: str) -> None:
    """Whatever could make two plugins own one physical name is refused."""
    with pytest.raises(PluginError, match="plugin name"):
        check_plugin_name(name)


def test_prefix_is_the_name_with_underscores() -> None:
    """The table prefix follows from the name alone."""
    assert table_prefix("audit-log") == "p_audit_log__"


def test_a_migration_is_parsed_from_its_file() -> None:
    """Version and description come from the file's name, the checksum from its bytes."""
    migration = PluginMigration.parse("0012_add_index.sql", b"SELECT 1")
    assert (migration.version, migration.description) == (12, "add index")
    assert migration.checksum == "e004ebd5b5532a4b85984a62f8ad48a81aa3460c1ca07701f386135d72cdecf5"


@pytest.mark.parametrize(
    "file", ["1_x.sql", "0001.sql", "0000_x.sql", "0001_X.sql", "0001_x.SQL", "0001__x.sql", "x.sql"]
)
def test_other_file_names_are_refused(file: str) -> None:
    """A file that is not named NNNN_words.sql is refused by name."""
    with pytest.raises(PluginError, match="NNNN_verb_object"):
        PluginMigration.parse(file, b"")


def test_bytes_that_are_not_utf8_are_refused_with_their_place() -> None:
    """The offset of the first bad byte is named."""
    with pytest.raises(PluginError, match="at byte 7"):
        PluginMigration.parse("0001_x.sql", b"SELECT \xff")


def test_a_file_is_refused_by_its_size_alone() -> None:
    """A file over the limit is not even decoded."""
    with pytest.raises(PluginError, match="at most"):
        PluginMigration.parse("0001_x.sql", b"\xff" * (MAX_MIGRATION_BYTES + 1))


def test_two_files_of_one_version_are_refused_with_both_names() -> None:
    """Versions are unique within a plugin."""
    first, second = (PluginMigration.parse(name, b"") for name in ("0001_a.sql", "0001_b.sql"))
    with pytest.raises(PluginError, match=r"0001_a\.sql' and '0001_b\.sql"):
        in_order([second, first])


def test_the_migrations_of_a_folder_are_its_files_in_order(tmp_path: Path) -> None:
    """Each with its content; other files are not migrations."""
    (tmp_path / "README.md").write_text("about these")
    for name in ("0002_b.sql", "0001_a.sql"):
        (tmp_path / name).write_text(f"SELECT '{name}'")
    assert PluginMigration.from_folder(tmp_path) == [
        PluginMigration.parse(name, f"SELECT '{name}'".encode()) for name in ("0001_a.sql", "0002_b.sql")
    ]
