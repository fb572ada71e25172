"""Migrations that declare another way to run: outside a transaction, and in batches."""

from __future__ import annotations

import psycopg
import pytest

from core.errors import MigrationError
from core.migration import PluginMigration
from migrations.lint import lint_history
from server.database.connecting import connect
from server.migrator.history import Owner
from server.migrator.migrator import Migrator, owners
from tests.support.sample_plugins import SAMPLES

ITEMS = "CREATE TABLE p_sample__items (id int, kind text, done boolean);\n-- down\nDROP TABLE p_sample__items;\n"
INDEX = (
    "-- outside a transaction\nCREATE UNIQUE INDEX CONCURRENTLY p_sample__items_id ON p_sample__items (id);\n"
    "-- down\nDROP INDEX CONCURRENTLY p_sample__items_id;\n"
)
BACKFILL = (
    "-- in batches\nUPDATE p_sample__items SET done = false WHERE id IN"
    " (SELECT id FROM p_sample__items WHERE done IS NULL ORDER BY id LIMIT 10);\n"
)


USES = {
    "jobs": "INSERT INTO p_jobs__job (tenant_id) SELECT id FROM tenant WHERE slug = 'sample'",
    "outbox": "INSERT INTO p_outbox__message (tenant_id, topic, body) SELECT id, 't', '{}' FROM tenant",
    "trail": "INSERT INTO p_trail__account (tenant_id, id, name) SELECT id, id, 'a' FROM tenant",
    "metrics": "INSERT INTO p_metrics__sample (tenant_id, name, at, value) SELECT id, 'cpu', now(), 1 FROM tenant",
}
"""The statement of each sample plugin at its work."""


def _owner(*texts: str) -> Owner:
    files = [(f"{number:04}_step.sql", text) for number, text in enumerate(texts, 1)]
    return Owner("sample", [PluginMigration.parse(file, text.encode()) for file, text in files])


def _migrator(url: str) -> Migrator:
    """A migrator of an edition without a proof, so that the linter is asked as well."""
    return Migrator(lambda: connect(url, timeout=5), {}, "test")


async def _apply(url: str, *texts: str) -> None:
    await _migrator(url).apply([*owners([]), _owner(*texts)])


def _value(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def _valid(url: str) -> object:
    return _value(url, "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('p_sample__items_id')")


async def test_an_index_is_built_and_dropped_concurrently(database: str) -> None:
    """It belongs to the plugins' role, the session is as it was, and the way back drops it."""
    await _apply(database, ITEMS, INDEX)
    assert _valid(database) is True
    owner = "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'p_sample__items_id'"
    assert _value(database, owner) == "postgres_plugins"
    assert len(await _migrator(database).rollback(_owner(ITEMS, INDEX), 1)) == 1
    assert _valid(database) is None


async def test_an_invalid_index_is_found_and_built_anew(database: str) -> None:
    """The rest of a failed or killed build does not stop the next start."""
    await _apply(database, ITEMS)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO p_sample__items VALUES (1), (1)")
    with pytest.raises(MigrationError, match="is duplicated"):
        await _apply(database, ITEMS, INDEX)
    assert _valid(database) is False
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM p_sample__items")
    await _apply(database, ITEMS, INDEX)
    assert _valid(database) is True


async def test_an_index_that_was_built_but_not_recorded_is_taken(database: str) -> None:
    """A kill between the build and the record costs nothing but the record."""
    await _apply(database, ITEMS)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE UNIQUE INDEX p_sample__items_id ON p_sample__items (id)")
    before = _value(database, "SELECT to_regclass('p_sample__items_id')::oid::int")
    await _apply(database, ITEMS, INDEX)
    assert _value(database, "SELECT to_regclass('p_sample__items_id')::oid::int") == before
    assert _value(database, "SELECT max(version) FROM _plugin_migrations WHERE plugin = 'sample'") == 2


async def test_an_index_is_rebuilt_and_a_constraint_is_validated(database: str) -> None:
    """REINDEX CONCURRENTLY and VALIDATE CONSTRAINT run alone in files of their own."""
    check = "ALTER TABLE p_sample__items ADD CONSTRAINT positive CHECK (id > 0) NOT VALID"
    rebuild = "-- outside a transaction\nREINDEX INDEX CONCURRENTLY p_sample__items_id"
    validate = "-- outside a transaction\nALTER TABLE p_sample__items VALIDATE CONSTRAINT positive"
    await _apply(database, ITEMS, INDEX, check, rebuild, validate)
    assert _valid(database) is True
    assert _value(database, "SELECT convalidated FROM pg_constraint WHERE conname = 'positive'") is True


async def test_a_backfill_runs_in_batches_and_goes_on_where_it_stopped(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch is committed by itself; one that fails keeps those before it, and the next start does the rest."""
    await _apply(database, ITEMS)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO p_sample__items (id) SELECT generate_series(1, 35)")
    monkeypatch.setattr("server.migrator.execution.BATCHES_TIMEOUT_S", -1)
    with pytest.raises(MigrationError, match="10 rows were changed"):
        await _apply(database, ITEMS, BACKFILL)
    assert _value(database, "SELECT count(*) FROM p_sample__items WHERE done IS NULL") == 25
    monkeypatch.undo()
    await _apply(database, ITEMS, BACKFILL)
    assert _value(database, "SELECT count(*) FROM p_sample__items WHERE done IS NULL") == 0
    assert _value(database, "SELECT max(version) FROM _plugin_migrations WHERE plugin = 'sample'") == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (INDEX.replace("-- outside a transaction\n", ""), "give it a file of its own"),
        (INDEX.replace("p_sample__items_id ON", "IF NOT EXISTS p_sample__items_id ON"), "without IF NOT EXISTS"),
        ("-- outside a transaction\nCREATE INDEX p_sample__i ON p_sample__items (id)", "outside a transaction run"),
        ("-- outside a transaction\nDROP INDEX CONCURRENTLY timer_due", "M012"),
        ("-- outside a transaction\nREINDEX TABLE CONCURRENTLY tenant", "M010"),
        (INDEX.replace("-- down", "ANALYZE p_sample__items;\n-- down"), "holds one statement"),
        ("-- in batches\nUPDATE p_sample__items SET done = true", "with a LIMIT"),
    ],
)
async def test_other_statements_are_refused_there(database: str, text: str, fault: str) -> None:
    """Such a file holds one statement of the few that need it, on own objects."""
    with pytest.raises(MigrationError, match=fault):
        await _apply(database, ITEMS, text)


@pytest.mark.parametrize("plugin", SAMPLES)
async def test_plugins_as_people_write_them_pass_and_work(database: str, plugin: str) -> None:
    """A job queue, an outbox, an audit trail and a table of metrics pass every check, and a tenant can still go."""
    files = [(f"{number:04}_step.sql", text) for number, text in enumerate(SAMPLES[plugin], 1)]
    owner = Owner(plugin, [PluginMigration.parse(file, text.encode()) for file, text in files])
    errors = [
        finding.message for findings in lint_history(plugin, SAMPLES[plugin]) for finding in findings
        if finding.severity == "error"
    ]  # fmt: skip
    assert errors == []
    applied = await _migrator(database).apply([*owners([]), owner])
    assert len(applied) >= len(files)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO tenant (id, slug, name) VALUES (gen_random_uuid(), 'sample', 'Sample')")
        connection.execute(USES[plugin].encode())
        connection.execute("DELETE FROM tenant WHERE slug = 'sample'")


async def test_a_job_queue_wakes_its_listeners_and_hands_out_each_job_once(database: str) -> None:
    """The notification reaches the plugin's channel, and a job that was taken is not taken again."""
    files = [(f"{number:04}_step.sql", text) for number, text in enumerate(SAMPLES["jobs"], 1)]
    jobs = Owner("jobs", [PluginMigration.parse(file, text.encode()) for file, text in files])
    await _migrator(database).apply([*owners([]), jobs])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("LISTEN p_jobs__default")
        connection.execute("INSERT INTO tenant (id, slug, name) VALUES (gen_random_uuid(), 'sample', 'Sample')")
        connection.execute(USES["jobs"].encode())
        assert len(list(connection.notifies(timeout=5, stop_after=1))) == 1
        assert len(connection.execute("SELECT * FROM p_jobs__take('default', 5)").fetchall()) == 1
        assert connection.execute("SELECT * FROM p_jobs__take('default', 5)").fetchall() == []
