"""With a forged proof, own objects that would harm the server are stopped all the same, whichever role the server has."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from core.errors import MigrationError
from core.migration import PluginMigration
from server.database.connecting import connect
from server.migrator.history import Owner
from server.migrator.migrator import Migrator, owners
from server.migrator.proof import Proofs
from tests.support.proofs import forged, proved
from tests.support.roles import owned_by

BEFORE = """
CREATE TABLE p_sample__item (
    tenant_id uuid REFERENCES tenant (id) ON DELETE CASCADE, id int, worker_id uuid, PRIMARY KEY (tenant_id, id)
);
CREATE TABLE p_sample__part (
    tenant_id uuid, item_id int, FOREIGN KEY (tenant_id, item_id) REFERENCES p_sample__item (tenant_id, id) ON DELETE CASCADE
);
CREATE TABLE p_sample__note (tenant_id uuid REFERENCES tenant (id) ON DELETE SET NULL, text text);
CREATE TABLE p_sample__plain (id int, text text);
CREATE TYPE p_sample__kind AS ENUM ('a');
CREATE VIEW p_sample__tenants AS SELECT id, slug FROM tenant;
CREATE VIEW p_sample__deep AS SELECT id FROM p_sample__tenants;
"""
CORE = """
CREATE TYPE core_state AS ENUM ('a', 'b');
CREATE DOMAIN core_slug AS text;
CREATE TYPE core_pair AS (a int, b int);
CREATE SEQUENCE core_seq;
CREATE COLLATION core_order (provider = libc, locale = 'C');
CREATE FUNCTION core_size(anyelement) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION core_same(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';
CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = core_same);
CREATE OPERATOR CLASS core_text_ops FOR TYPE text USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 bttextcmp(text, text);
"""


def _trigger(body: str, when: str, table: str = "p_sample__item") -> str:
    function = f"CREATE FUNCTION p_sample__f() RETURNS trigger LANGUAGE plpgsql AS $f$ {body} $f$"
    return f"{function}; CREATE TRIGGER t {when} ON {table} EXECUTE FUNCTION p_sample__f()"


def _routine(body: str) -> str:
    return f"CREATE FUNCTION p_sample__f() RETURNS void LANGUAGE plpgsql AS $f$ {body} $f$"


TIES = {
    "a row as a column": "CREATE TABLE p_sample__c AS SELECT t FROM tenant t",
    "rows in an array": "CREATE TABLE p_sample__c AS SELECT array_agg(t) AS ts FROM tenant t",
    "a row by its table's name": "CREATE TABLE p_sample__c AS SELECT tenant FROM tenant",
    "a row through coalesce": "CREATE TABLE p_sample__c AS SELECT coalesce(t.*, t.*) AS t FROM tenant t",
    "a column of the row type": "CREATE TABLE p_sample__c (t tenant)",
    "a column of an array of it": "ALTER TABLE p_sample__plain ADD COLUMN t tenant[]",
    "a column of an enum": "CREATE TABLE p_sample__c (s core_state)",
    "a view of rows": "CREATE VIEW p_sample__v AS SELECT t FROM tenant t",
    "a view that casts": "CREATE VIEW p_sample__v AS SELECT 'a'::core_state::text AS s",
    "a materialized view of rows": "CREATE MATERIALIZED VIEW p_sample__v AS SELECT t FROM tenant t WITH NO DATA",
    "an argument": "CREATE FUNCTION p_sample__f(tenant) RETURNS int LANGUAGE sql RETURN 1",
    "a result": "CREATE FUNCTION p_sample__f() RETURNS SETOF tenant LANGUAGE sql AS 'SELECT * FROM tenant'",
    "a parsed body": "CREATE FUNCTION p_sample__f() RETURNS text LANGUAGE sql RETURN 'a'::core_state::text",
    "a domain": "CREATE DOMAIN p_sample__d AS core_slug",
    "a composite type": "CREATE TYPE p_sample__t AS (t tenant)",
    "a typed table": "CREATE TABLE p_sample__c OF core_pair",
    "a range type": "CREATE TYPE p_sample__r AS RANGE (subtype = core_slug)",
    "a changed column": "ALTER TABLE p_sample__plain ALTER COLUMN text TYPE core_slug",
    "a sequence": "CREATE TABLE p_sample__c (id int DEFAULT nextval('core_seq'))",
    "a function in a view": "CREATE VIEW p_sample__v AS SELECT core_size(1) AS n",
    "a function as an attribute": "CREATE VIEW p_sample__v AS SELECT p.core_size FROM p_sample__plain p",
    "a function in an index": "CREATE INDEX p_sample__i ON p_sample__plain (core_size(id))",
    "a function in a default": "ALTER TABLE p_sample__plain ALTER COLUMN id SET DEFAULT core_size(1)",
    "an operator": "CREATE VIEW p_sample__v AS SELECT text === 'x' AS same FROM p_sample__plain",
    "an operator class": "CREATE INDEX p_sample__i ON p_sample__plain (text core_text_ops)",
    "a collation": "CREATE INDEX p_sample__i ON p_sample__plain (text COLLATE core_order)",
}
LOCKS = {
    "for update through a view": "INSERT INTO p_sample__plain SELECT 1 FROM p_sample__tenants FOR UPDATE",
    "through two views": "INSERT INTO p_sample__plain SELECT 1 FROM p_sample__deep v FOR NO KEY UPDATE OF v",
    "for share in a sub-select": "DELETE FROM p_sample__plain WHERE EXISTS (SELECT 1 FROM p_sample__tenants FOR SHARE)",
    "in a common table": "WITH x AS (SELECT id FROM p_sample__tenants FOR KEY SHARE) DELETE FROM p_sample__plain USING x",
    "a server's table": "UPDATE p_sample__plain SET id = 1 WHERE EXISTS (SELECT 1 FROM worker FOR UPDATE)",
    "in a function": _routine("BEGIN PERFORM 1 FROM tenant FOR UPDATE; END"),
}
TRIGGERS = {
    "returns null": _trigger("BEGIN RETURN NULL; END", "BEFORE DELETE", "p_sample__item FOR EACH ROW"),
    "raises": _trigger("BEGIN RAISE EXCEPTION 'no'; END", "BEFORE DELETE", "p_sample__item FOR EACH ROW"),
    "may raise": _trigger("BEGIN PERFORM 1 / 0; RETURN OLD; END", "BEFORE DELETE", "p_sample__item FOR EACH ROW"),
    "skips some": _trigger(
        "BEGIN IF OLD.id = 1 THEN RETURN NULL; END IF; RETURN OLD; END", "BEFORE DELETE", "p_sample__item FOR EACH ROW"
    ),
    "has a condition that can fail": _trigger(
        "BEGIN RETURN OLD; END", "BEFORE DELETE", "p_sample__item FOR EACH ROW WHEN (1 / OLD.id = 1)"
    ),
    "stands on a table further on": _trigger("BEGIN RETURN NULL; END", "BEFORE DELETE", "p_sample__part FOR EACH ROW"),
    "runs once a statement": _trigger("BEGIN RAISE EXCEPTION 'no'; END", "BEFORE DELETE", "p_sample__item"),
    "raises afterwards": _trigger("BEGIN RAISE EXCEPTION 'no'; END", "AFTER DELETE", "p_sample__item FOR EACH ROW"),
    "keeps the key": _trigger("BEGIN RETURN OLD; END", "BEFORE UPDATE", "p_sample__note FOR EACH ROW"),
    "was there before the key": (
        _trigger("BEGIN RETURN NULL; END", "BEFORE DELETE", "p_sample__plain FOR EACH ROW")
        + "; ALTER TABLE p_sample__plain ADD COLUMN t uuid REFERENCES tenant (id) ON DELETE CASCADE"
    ),
    "gets another body later": (
        _trigger("BEGIN RETURN OLD; END", "BEFORE DELETE", "p_sample__item FOR EACH ROW")
        + "; CREATE OR REPLACE FUNCTION p_sample__f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    ),
}
WAITS = {
    "no limit": "SET LOCAL lock_timeout = 0",
    "an hour": "SET LOCAL lock_timeout = '1h'",
    "the default": "SET LOCAL lock_timeout = DEFAULT",
    "statements without a limit": "SET LOCAL statement_timeout = 0",
    "an idle hour": "SET LOCAL idle_in_transaction_session_timeout = '1h'",
    "by a function": "INSERT INTO p_sample__plain SELECT 1 FROM set_config('lock_timeout', '0', true)",
    "and back": "SET LOCAL lock_timeout = 0; ALTER TABLE p_sample__plain ADD x int; SET LOCAL lock_timeout = '1s'",
}
CORE_TYPES = {
    "a row in a function": _routine("DECLARE t tenant; BEGIN NULL; END"),
    "an enum in a function": _routine("DECLARE s core_state; BEGIN NULL; END"),
    "a row type in a function": _routine("DECLARE t tenant%ROWTYPE; BEGIN NULL; END"),
}
SETTINGS = {
    "a server's setting in a function": _routine("BEGIN PERFORM current_setting('data_directory'); END"),
    "a channel of others in a function": _routine("BEGIN PERFORM pg_notify('wake', 'x'); END"),
}
KINDS = {"setting": SETTINGS, "tie": TIES, "lock": LOCKS, "trigger": TRIGGERS, "wait": WAITS, "type": CORE_TYPES}
ROLES = {"superuser": None, "role_maker": "LOGIN CREATEROLE", "plain_owner": "LOGIN"}


def _owner(*texts: str) -> Owner:
    files = [(f"{number:04}_step.sql", text) for number, text in enumerate(texts, 1)]
    return Owner("sample", [PluginMigration.parse(file, text.encode()) for file, text in files])


async def _apply(url: str, owner: Owner, proofs: Callable[[Owner], Proofs] = forged) -> None:
    """Apply as an edition does, which has no linter; by default, with the proofs of a build whose check was switched off."""
    proofs_of_all = {**proved(owners([])[0]), **proofs(owner)}
    await Migrator(lambda: connect(url, timeout=5), proofs_of_all, "test").apply([*owners([]), owner])


@pytest.fixture(autouse=True)
def _no_linter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the linter, which production editions do not contain."""
    monkeypatch.setattr("server.migrator.linter.is_installed", lambda: False)


@pytest.fixture(params=ROLES)
def server(request: pytest.FixtureRequest, database: str) -> Iterator[str]:
    """The address of a migrated database, for a server's role of each kind."""
    options = ROLES[request.param]
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(CORE.encode())
    if options is None:
        yield database
        return
    with owned_by(database, request.param, options) as url:
        yield url


@pytest.mark.parametrize("kind", KINDS)
async def test_harm_by_own_objects_is_stopped_without_the_check(server: str, kind: str) -> None:
    """Ties, row locks, triggers inside a cascade and long waits are refused at migrate time, and nothing stays."""
    await _apply(server, _owner(BEFORE))
    passed = [name for name, sql in KINDS[kind].items() if not await _refused(server, sql)]
    assert passed == []
    with psycopg.connect(server) as connection:
        row = connection.execute("SELECT max(version) FROM _plugin_migrations WHERE plugin = 'sample'").fetchone()
        assert row == (1,)


async def _refused(server: str, sql: str) -> bool:
    try:
        await _apply(server, _owner(BEFORE, sql))
    except MigrationError:
        return True
    return False


HARMLESS = {
    "a column of a row": "CREATE TABLE p_sample__c AS SELECT t.id, t.slug FROM tenant t",
    "a row as JSON": "CREATE TABLE p_sample__c AS SELECT to_jsonb(t) AS t FROM tenant t",
    "own types": "CREATE TABLE p_sample__c (k p_sample__kind, p p_sample__plain)",
    "own rows locked": "DELETE FROM p_sample__plain WHERE id IN (SELECT id FROM p_sample__plain FOR UPDATE SKIP LOCKED)",
    "own rows locked beside others": (
        "INSERT INTO p_sample__plain SELECT p.id FROM p_sample__plain p JOIN tenant t ON true FOR UPDATE OF p"
    ),
    "a row locked by its key": "INSERT INTO p_sample__item SELECT id, 1 FROM tenant",
    "a shorter wait": "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = 5000",
    "a trigger that lets the row go": _trigger(
        "BEGIN IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RAISE EXCEPTION 'no'; END",
        "BEFORE INSERT OR DELETE",
        "p_sample__item FOR EACH ROW",
    ),
    "a trigger behind the row": _trigger(
        "BEGIN INSERT INTO p_sample__plain VALUES (OLD.id); RETURN NULL; END",
        "AFTER DELETE",
        "p_sample__item FOR EACH ROW",
    ),
    "a trigger without a cascade": _trigger("BEGIN RETURN NULL; END", "BEFORE DELETE", "p_sample__plain FOR EACH ROW"),
}


async def test_a_migration_that_only_resembles_a_harmful_one_runs(server: str) -> None:
    """The same forms on own objects alone are applied."""
    await _apply(server, _owner(BEFORE))
    for name, sql in HARMLESS.items():
        with psycopg.connect(server) as connection:
            connection.execute("DELETE FROM _plugin_migrations WHERE version > 1 AND plugin = 'sample'")
            connection.execute("DROP FUNCTION IF EXISTS p_sample__f CASCADE")
            connection.execute("DROP TABLE IF EXISTS p_sample__c")
        try:
            await _apply(server, _owner(BEFORE, sql), proved)
        except MigrationError as error:
            pytest.fail(f"{name}: {error}")


@pytest.mark.parametrize("name", TRIGGERS)
async def test_a_trigger_in_a_cascade_is_judged_by_its_situation(database: str, name: str) -> None:
    """Also when the build has accepted its body, as for a table outside of any cascade."""
    await _apply(database, _owner(BEFORE))
    with pytest.raises(MigrationError, match="may stop the server's"):
        await _apply(database, _owner(BEFORE, TRIGGERS[name]), proved)


@pytest.mark.parametrize("option", ["SECURITY DEFINER", "SET lock_timeout = 0"])
async def test_a_routine_with_other_rights_or_settings_is_refused(database: str, option: str) -> None:
    """The catalog shows both options, whatever the build has accepted."""
    await _apply(database, _owner(BEFORE))
    function = f"CREATE FUNCTION p_sample__f() RETURNS int LANGUAGE sql {option} AS 'SELECT 1'"
    with pytest.raises(MigrationError, match="other rights or settings"):
        await _apply(database, _owner(BEFORE, function), proved)


async def test_a_trigger_may_run_a_function_of_an_earlier_migration(database: str) -> None:
    """The routines of all migrations of the plugin are accepted."""
    function, trigger = HARMLESS["a trigger behind the row"].split("; CREATE TRIGGER")
    await _apply(database, _owner(BEFORE, function), proved)
    await _apply(database, _owner(BEFORE, function, f"CREATE TRIGGER{trigger}"), proved)


async def test_an_object_that_was_tied_before_may_go(database: str) -> None:
    """A tie that an older edition made can be dropped by a later migration."""
    await _apply(database, _owner(BEFORE))
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("CREATE TABLE p_sample__c AS SELECT t FROM tenant t")
        admin.execute("ALTER TABLE p_sample__c OWNER TO postgres_plugins")
    await _apply(database, _owner(BEFORE, "DROP TABLE p_sample__c"))
