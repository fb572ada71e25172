"""The defences behind the linter: the role, the comparison of catalogs, and the transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from core.errors import MigrationError
from core.migration import PluginMigration
from migrations.lint.core_columns import CORE_COLUMNS
from migrations.lint.readers.refused import MILLISECONDS
from server.database.connecting import connect
from server.migrator import execution
from server.migrator.history import Owner
from server.migrator.migrator import Migrator, owners
from tests.support.proofs import forged
from tests.support.roles import owned_by

ITEMS = "CREATE TABLE p_sample__items (id uuid CONSTRAINT p_sample__items_pkey PRIMARY KEY)"


def _owner(*texts: str) -> Owner:
    files = [(f"{number:04}_step.sql", text) for number, text in enumerate(texts, 1)]
    return Owner("sample", [PluginMigration.parse(file, text.encode()) for file, text in files])


def _trusted(url: str, owner: Owner) -> Migrator:
    """A migrator that takes every file of ``owner`` for checked: what is shown here stands behind the check."""
    return Migrator(lambda: connect(url, timeout=5), forged(owner), "test")


async def _apply(url: str, owner: Owner) -> None:
    await _trusted(url, owner).apply([*owners([]), owner])


def _one(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def as_owner(database: str) -> Iterator[str]:
    """The address of a migrated database for a role that owns it and may not make roles."""
    with owned_by(database, "plain_owner", "LOGIN") as url:
        yield url


@pytest.fixture
def as_role_maker(database: str) -> Iterator[str]:
    """The address of a migrated database for a role that owns it and may make roles."""
    with owned_by(database, "role_maker", "LOGIN CREATEROLE") as url:
        yield url


UNSEEN = [
    ("CREATE TABLE stray (a int)", "table stray was created"),
    ("ALTER TABLE tenant ADD COLUMN extra int", "must be owner"),
    ("DROP TABLE worker_capability", "must be owner"),
    ("DELETE FROM tenant", "permission denied"),
    ("UPDATE workflow_execution SET status = 'FAILED'", "permission denied"),
    ("TRUNCATE workflow_event", "permission denied"),
    ("CREATE TRIGGER t BEFORE INSERT ON tenant EXECUTE FUNCTION suppress_redundant_updates_trigger()", "permission"),
    ("CREATE ROLE intruder", "permission denied"),
    ("CREATE SCHEMA hidden", "permission denied|schema hidden was created"),
    ("ALTER ROLE postgres_plugins SET search_path = x", "setting .* was created|permission denied|changed"),
    ("UPDATE _plugin_migrations SET checksum = ''", "permission denied"),
    ("RESET ROLE; DROP TABLE worker_capability", "table worker_capability was dropped"),
]


@pytest.mark.parametrize(("statement", "fault"), UNSEEN)
async def test_a_migration_that_no_check_has_seen_is_still_refused(database: str, statement: str, fault: str) -> None:
    """With a forged proof for a harmful statement, PostgreSQL or the catalogs refuse it, and nothing stays."""
    before = _one(database, "SELECT count(*) FROM pg_class")
    with pytest.raises(MigrationError, match=fault):
        await _apply(database, _owner(statement))
    assert _one(database, "SELECT count(*) FROM pg_class") == before
    assert _one(database, "SELECT count(*) FROM _plugin_migrations WHERE plugin = 'sample'") == 0


async def test_plugins_tables_belong_to_the_plugins_role(database: str) -> None:
    """The role owns what plugins make, and the server can use it."""
    await _apply(database, _owner(ITEMS))
    assert _one(database, "SELECT tableowner FROM pg_tables WHERE tablename = 'p_sample__items'") == "postgres_plugins"


async def test_a_role_that_may_make_roles_uses_what_plugins_own(as_role_maker: str) -> None:
    """No superuser is needed: the server's role joins the plugins' role and reads and writes its tables."""
    await _apply(as_role_maker, _owner(ITEMS))
    assert (
        _one(as_role_maker, "SELECT tableowner FROM pg_tables WHERE tablename = 'p_sample__items'")
        == "role_maker_plugins"
    )
    assert _one(as_role_maker, "INSERT INTO p_sample__items VALUES (gen_random_uuid()) RETURNING 1") == 1


async def test_without_that_right_migrations_run_as_the_server(as_owner: str) -> None:
    """An operator who gives no such right gets the check and the comparison, and a server that works."""
    await _apply(as_owner, _owner(ITEMS))
    assert _one(as_owner, "SELECT tableowner FROM pg_tables WHERE tablename = 'p_sample__items'") == "plain_owner"
    with pytest.raises(MigrationError, match="table stray was created"):
        await _apply(as_owner, _owner(ITEMS, "CREATE TABLE stray (a int)"))
    with pytest.raises(MigrationError, match="rows of tenant were changed"):
        await _apply(as_owner, _owner(ITEMS, "INSERT INTO tenant VALUES (gen_random_uuid(), 'x', 'x')"))


def test_the_linter_knows_the_columns_of_the_server(database: str) -> None:
    """The linter knows for each table of the server every column that the core's migrations make."""
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'")
        missing = sorted({row[0] for row in found.fetchall()} - CORE_COLUMNS)
        assert missing == [], "add them to migrations/lint/core_columns.py"


def test_the_migrator_and_the_linter_have_the_same_limits() -> None:
    """A plugin's author is told the waits that the server begins a migration with."""
    limits = (execution.LOCK_TIMEOUT_S, execution.STATEMENT_TIMEOUT_S, execution.IDLE_TIMEOUT_S)
    assert tuple(MILLISECONDS.values()) == tuple(limit * 1000 for limit in limits)


async def test_rollback_takes_back_newest_first(database: str) -> None:
    """The down parts run in opposite order, and what was taken back is pending again."""
    second = "CREATE INDEX p_sample__items_id ON p_sample__items (id);\n-- down\nDROP INDEX p_sample__items_id;\n"
    owner = _owner(ITEMS + ";\n-- down\nDROP TABLE p_sample__items;\n", second)
    migrator = _trusted(database, owner)
    await migrator.apply([*owners([]), owner])
    assert [str(each) for each in await migrator.rollback(owner, 1)] == ["sample 0002_step.sql"]
    assert [str(each) for each in await migrator.rollback(owner, 0)] == ["sample 0001_step.sql"]
    assert _one(database, "SELECT to_regclass('p_sample__items')") is None
    assert len((await migrator.plan([owner])).pending) == 2


async def test_a_migration_that_cannot_be_taken_back_stops_before_anything_is(database: str) -> None:
    """One without a down section is named, and those above it stay as well."""
    owner = _owner(ITEMS, "CREATE INDEX p_sample__i ON p_sample__items (id);\n-- down\nDROP INDEX p_sample__i;\n")
    migrator = _trusted(database, owner)
    await migrator.apply([*owners([]), owner])
    with pytest.raises(MigrationError, match=r"0001_step\.sql: it has no '-- down' section"):
        await migrator.rollback(owner, 0)
    assert _one(database, "SELECT to_regclass('p_sample__i') IS NOT NULL") is True


async def test_a_migration_that_a_newer_edition_applied_is_not_taken_from_it(database: str) -> None:
    """An edition that does not know the newest version takes nothing back."""
    first = ITEMS + ";\n-- down\nDROP TABLE p_sample__items;\n"
    await _apply(database, _owner(first, "CREATE INDEX p_sample__i ON p_sample__items (id)"))
    older = _owner(first)
    with pytest.raises(MigrationError, match="has version 0002, which this edition does not know"):
        await _trusted(database, older).rollback(older, 0)
    assert _one(database, "SELECT to_regclass('p_sample__items') IS NOT NULL") is True


async def test_a_harmful_down_part_is_refused(database: str) -> None:
    """Down parts are checked like the rest."""
    owner = _owner(ITEMS + ";\n-- down\nDROP TABLE tenant;\n")
    await _apply(database, owner)
    with pytest.raises(MigrationError, match="M012"):
        await Migrator(lambda: connect(database, timeout=5), {}, "test").rollback(owner, 0)


async def test_a_table_in_use_is_waited_for(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that does not get its lock tries again, and succeeds once the table is free."""
    monkeypatch.setattr("server.migrator.execution.LOCK_TIMEOUT_S", 0.2)
    monkeypatch.setattr("server.migrator.execution.PAUSE_S", 0.01)
    tried = asyncio.Event()
    monkeypatch.setattr("server.migrator.execution._log.warning", lambda *_arguments: tried.set())
    owner = _owner("CREATE TABLE p_sample__refs (t uuid REFERENCES tenant (id) ON DELETE CASCADE)")
    with psycopg.connect(database) as user:
        user.execute("INSERT INTO tenant (id, slug, name) VALUES (gen_random_uuid(), 'busy', 'Busy')")
        migrating = asyncio.create_task(_apply(database, owner))
        await asyncio.wait_for(tried.wait(), 10)
        user.rollback()
        await asyncio.wait_for(migrating, 10)
    assert _one(database, "SELECT to_regclass('p_sample__refs') IS NOT NULL") is True


async def test_a_killed_migration_is_finished_by_the_next_start(database: str) -> None:
    """The connection dies in the middle: nothing of the migration stays, and the next run applies it."""
    slow = _owner(ITEMS + ";\nINSERT INTO p_sample__items SELECT gen_random_uuid() FROM pg_sleep(60);")
    migrating = asyncio.create_task(_apply(database, slow))
    with psycopg.connect(database, autocommit=True) as admin:
        kill = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
        )
        async with asyncio.timeout(20):
            while not admin.execute(kill).fetchall():
                await asyncio.sleep(0.02)
    with pytest.raises(MigrationError):
        await migrating
    assert _one(database, "SELECT to_regclass('p_sample__items')") is None
    await _apply(database, _owner(ITEMS))
    assert _one(database, "SELECT to_regclass('p_sample__items') IS NOT NULL") is True


async def test_sqlglot_is_not_imported_when_nothing_is_pending(database: str) -> None:
    """A start with everything applied must not pay for the linter."""
    code = (
        "import asyncio, sys\n"
        "from server.migrator.migrator import Migrator, owners\n"
        "from server.database.connecting import connect\n"
        f"migrator = Migrator(lambda: connect({database!r}, timeout=5), {{}}, 'test')\n"
        "assert asyncio.run(migrator.apply(owners([]))) == ()\n"
        "assert 'sqlglot' not in sys.modules and 'migrations.lint' not in sys.modules\n"
    )
    process = await asyncio.create_subprocess_exec(
        __import__("sys").executable, "-c", code, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
