"""The migrator on a real PostgreSQL."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from core.errors import MigrationError, StartupError
from core.migration import PluginMigration
from server.database.connecting import connect
from server.migrator.history import Owner
from server.migrator.migrator import Migrator, owners
from server.migrator.proof import Proofs
from tests.support.proofs import forged

OWN = "p_sample__items"


def _owner(*statements: str) -> Owner:
    files = [(f"{number:04}_step.sql", sql) for number, sql in enumerate(statements, 1)]
    return Owner("sample", [PluginMigration.parse(file, sql.encode()) for file, sql in files])


async def _apply(url: str, *wanted: Owner) -> list[str]:
    return [str(each) for each in await _migrator(url).apply([*owners([]), *wanted])]


def _migrator(url: str, proofs: Proofs | None = None) -> Migrator:
    return Migrator(lambda: connect(url, timeout=5), proofs or {}, "test")


def _rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


async def test_core_comes_first_and_a_second_run_does_nothing(empty_database: str) -> None:
    """From empty to complete, in order, once."""
    table = _owner(f"CREATE TABLE {OWN} (id uuid CONSTRAINT p_sample__items_pkey PRIMARY KEY)")
    applied = await _apply(empty_database, table)
    assert applied[0] == "core 0001_create_tenant.sql"
    assert applied[-1] == "sample 0001_step.sql"
    assert await _apply(empty_database, table) == []
    assert len(_rows(empty_database, "SELECT 1 FROM _plugin_migrations WHERE applied_by = 'test'")) == len(applied)


async def test_many_servers_migrate_one_database_once(empty_database: str) -> None:
    """The advisory lock lets one do it; the others find nothing left to do."""
    results = await asyncio.gather(*(_apply(empty_database) for _ in range(6)))
    assert sorted(map(len, results))[:-1] == [0] * 5


async def test_a_table_outside_the_prefix_is_refused_before_anything_runs(empty_database: str) -> None:
    """Without the build's proof, the same check runs here; the good migration before the bad one stays unapplied."""
    bad = _owner(
        f"CREATE TABLE {OWN} (id uuid CONSTRAINT p_sample__items_pkey PRIMARY KEY)", "CREATE TABLE jobs (a int)"
    )
    with pytest.raises(MigrationError, match=r"sample: .*\n  0002_step\.sql:1:\d+: M001 .*jobs"):
        await _apply(empty_database, bad)
    assert _rows(empty_database, f"SELECT to_regclass('jobs'), to_regclass('{OWN}')") == [(None, None)]


async def test_a_checked_digest_is_taken_as_proof(empty_database: str) -> None:
    """With a proof the linter is not asked again; the catalogs still show what it did, and it is rolled back."""
    owner = _owner("CREATE TABLE unchecked (a int)")
    with pytest.raises(
        MigrationError, match=r"it changed objects that the plugin does not own.*table unchecked was created"
    ):
        await _migrator(empty_database, forged(owner)).apply([*owners([]), owner])
    with pytest.raises(MigrationError, match="M001"):
        await _apply(empty_database, owner)
    assert _rows(empty_database, "SELECT to_regclass('unchecked')") == [(None,)]


@pytest.mark.parametrize("built", [False, True])
async def test_an_edition_without_the_linter_refuses_what_its_build_has_not_checked(
    empty_database: str,
    monkeypatch: pytest.MonkeyPatch,
    built: bool,  # noqa: FBT001
) -> None:
    """A migration without a proof, or with another text than the proof's, is refused with the remedy."""
    monkeypatch.setattr("server.migrator.linter.is_installed", lambda: False)
    table = f"CREATE TABLE {OWN} (id uuid CONSTRAINT p_sample__items_pkey PRIMARY KEY)"
    proofs = {**forged(owners([])[0]), **(forged(_owner(table + " ")) if built else {})}
    with pytest.raises(MigrationError, match=r"sample 0001_step\.sql: this edition was built with another text.*again"):
        await _migrator(empty_database, proofs).apply([*owners([]), _owner(table)])
    assert _rows(empty_database, "SELECT to_regclass('tenant')") == [(None,)]


async def test_an_edition_without_the_linter_runs_what_its_build_has_checked(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proofs suffice to run the core's migrations and a plugin's, in one transaction or outside of any."""
    table = f"CREATE TABLE {OWN} (id uuid CONSTRAINT p_sample__items_pkey PRIMARY KEY);\n-- down\nDROP TABLE {OWN};\n"
    index = f"-- outside a transaction\nCREATE INDEX CONCURRENTLY p_sample__i ON {OWN} (id);\n"
    core, sample = owners([])[0], _owner(table, index)
    proofs = {**forged(core), **forged(sample)}
    monkeypatch.setattr("server.migrator.linter.is_installed", lambda: False)
    assert len(await _migrator(empty_database, proofs).apply([core, sample])) == len(core.migrations) + 2
    assert _rows(empty_database, "SELECT to_regclass('p_sample__i') IS NOT NULL") == [(True,)]


async def test_a_failing_migration_is_rolled_back_and_named(empty_database: str) -> None:
    """A migration that PostgreSQL refuses leaves nothing behind, and the next start tries again."""
    create = f"CREATE TABLE {OWN} (id uuid CONSTRAINT p_sample__items_pkey PRIMARY KEY);\n"
    with pytest.raises(
        MigrationError,
        match=r"sample 0001_step\.sql:2: PostgreSQL refused it, and the migration was rolled",
    ):
        await _apply(empty_database, _owner(create + f"ALTER TABLE {OWN} ADD COLUMN id uuid"))
    assert _rows(empty_database, f"SELECT to_regclass('{OWN}')") == [(None,)]
    assert await _apply(empty_database, _owner(create)) == ["sample 0001_step.sql"]


async def test_edited_history_is_refused(empty_database: str) -> None:
    """The file and the remedy are named."""
    create = f"CREATE TABLE {OWN} (id uuid CONSTRAINT p_sample__items_pkey PRIMARY KEY)"
    await _apply(empty_database, _owner(create))
    with pytest.raises(MigrationError, match=r"0001_step\.sql was changed after it was applied"):
        await _apply(empty_database, _owner(create + " -- edited"))


async def test_a_database_ahead_of_the_edition_is_served_with_a_warning(
    empty_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """During a rolling upgrade, the older edition finds versions that it does not know, says so and goes on."""
    create = f"CREATE TABLE {OWN} (id uuid CONSTRAINT p_sample__items_pkey PRIMARY KEY)"
    await _apply(empty_database, _owner(create, f"CREATE INDEX p_sample__i ON {OWN} (id)"))
    assert await _apply(empty_database, _owner(create)) == []
    assert "the database is ahead of this edition: sample has version 0002" in caplog.text


async def test_an_unreachable_database_is_named_without_its_password() -> None:
    """The address and the reason, never the secret."""
    with pytest.raises(StartupError, match=r"127\.0\.0\.1:1/db cannot be reached") as caught:
        await connect("postgres://u:hunter2@127.0.0.1:1/db", timeout=2)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgres://u:hunter2/x@127.0.0.1:1/db", "postgres://u:hun#ter2@127.0.0.1@h:1/db"])
async def test_a_password_that_breaks_the_address_is_not_shown(url: str) -> None:
    """An address that is cut in the wrong places may hold the password anywhere; the error says how to write it."""
    with pytest.raises(StartupError, match="percent-encode") as caught:
        await connect(url, timeout=2)
    assert "hun" not in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "http://u:hunter2@h/db"])
async def test_a_malformed_address_is_refused_without_showing_it(url: str) -> None:
    """The error shows the form, not the value."""
    with pytest.raises(StartupError, match="DATABASE_URL is not a valid address") as caught:
        await connect(url, timeout=2)
    assert "hunter2" not in str(caught.value)
