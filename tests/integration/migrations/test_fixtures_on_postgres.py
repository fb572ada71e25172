"""Proves every fixture of the linter on a real PostgreSQL: the good ones are harmless, the bad ones are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row

from core.named_queries import named_queries
from migrations.lint import core_locks, sections, split
from migrations.lint.modes import mode_of
from migrations.lint.proof import proof
from server.migrator import catalog, own_objects
from server.migrator.proof import Situation
from tests.support.lint_cases import PLUGIN, Case, cases, malformed, malformed_statements, setup_sql
from tests.support.postgres import Databases

Connection = psycopg.Connection[Any]

Picture = dict[catalog.Key, str]

CORE = Path(__file__).with_name("core_stand_in.sql")
OBJECTS = named_queries("server.migrator", "own_objects.sql")
CATALOGS = named_queries("server.migrator", "catalog.sql")["objects"]
OWN = {"own": "^p_audit__[a-z0-9_]+$"}
WATCHED = [
    *(
        f"public.{name}"
        for name in ("tenant", "workflow_execution", "task_execution", "worker", "workflow_event", "timer")
    ),
    *("public.metric_sample", "public.p_other__item", "stash.box"),
]
DELETED = "00000000-0000-0000-0000-000000000003"
ORPHANS = {
    "p_audit__entry": "SELECT 1 FROM p_audit__entry WHERE tenant_id = %(gone)s",
    "p_audit__a": "SELECT 1 FROM p_audit__a WHERE t = %(gone)s",
    "p_audit__part": "SELECT 1 FROM p_audit__part WHERE entry_id NOT IN (SELECT id FROM p_audit__entry)",
}
STRONG_LOCKS = """
    SELECT DISTINCT c.relname, CASE l.mode WHEN 'AccessExclusiveLock' THEN 'ACCESS EXCLUSIVE' ELSE 'SHARE ROW EXCLUSIVE' END
    FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND c.relkind IN ('r', 'p') AND c.relname !~ '^(p_audit__|pg_)'
    AND l.mode IN ('AccessExclusiveLock', 'ShareRowExclusiveLock')
"""
SEQUENCES = ["public.core_seq", "public.p_other__seq"]  # no rollback sets these back
_SETTINGS = "SELECT name, setting FROM pg_settings WHERE name NOT IN ('transaction_isolation', 'transaction_read_only')"
_SESSION = {
    "settings": _SETTINGS,
    "prepared": "SELECT name FROM pg_prepared_statements WHERE name NOT LIKE '\\_pg3%'",
    "cursors": "SELECT name FROM pg_cursors",
    "temporary": "SELECT relname FROM pg_class WHERE relpersistence = 't'",
    "listening": "SELECT pg_listening_channels()",
    "locks": """
        SELECT coalesce(l.relation::regclass::text, l.locktype), l.mode FROM pg_locks l WHERE l.pid = pg_backend_pid()
        AND (l.locktype = 'advisory' OR (l.relation::regclass::text !~ '^(p_audit__|pg_)' AND l.mode NOT IN ('AccessShareLock')))
    """,
    "role": "SELECT current_user, session_user",
}  # fmt: skip


@pytest.fixture(scope="module")
def template(databases: Databases) -> Iterator[str]:
    """A database with the core schema, a neighbour, and what the plugin made earlier."""
    with databases.empty() as url:
        _fill(url)
        yield url


@pytest.fixture(scope="module")
def session_dsn(databases: Databases) -> Iterator[str]:
    """A database for the cases that end their transaction, and so leave something behind."""
    with databases.empty() as url:
        _fill(url)
        yield url


def _fill(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(CORE.read_bytes())
        connection.execute(setup_sql().encode())


@pytest.fixture(scope="module")
def syntax(session_dsn: str) -> Iterator[Connection]:
    """A connection on which every statement stands alone."""
    with psycopg.connect(session_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def before(template: str) -> Picture:
    """The state of the template, with which every case begins."""
    with psycopg.connect(template) as connection:
        return take(connection, WATCHED)


@pytest.fixture
def connection(template: str) -> Iterator[Connection]:
    """A connection in a transaction that is rolled back."""
    connection = psycopg.connect(template, prepare_threshold=None)
    connection.execute("SELECT setval('core_seq', 100), setval('p_other__seq', 100)")
    yield connection
    connection.rollback()
    connection.close()


def take(connection: Connection, tables: list[str]) -> Picture:
    """Return the catalogs that the migrator compares, and the rows of tables or the state of sequences."""
    found = connection.execute(CATALOGS.encode(), OWN).fetchall()
    return {(kind, schema, name): text for kind, schema, name, text in found} | rows(connection, tables)


def faults_of_own(connection: Connection, *texts: str) -> Sequence[str]:
    """Return the faults that the migrator finds in the plugin's own triggers and functions, which ``texts`` made."""
    named = connection.cursor(row_factory=namedtuple_row)
    triggers, routines = (
        frozenset(named.execute(OBJECTS[query].encode(), OWN).fetchall()) for query in ("cascade_triggers", "routines")
    )
    accepted: dict[str, set[Situation]] = {}
    for text in texts:
        accepted |= {body: set(map(tuple, each)) for body, each in proof(PLUGIN, text)["routines"].items()}
    nothing = own_objects.OwnObjects(frozenset(), frozenset())
    return own_objects.faults(lambda: accepted, nothing, own_objects.OwnObjects(triggers, routines))


def rows(connection: Connection, tables: list[str]) -> Picture:
    """Return the rows of tables, or the state of sequences."""
    return {("contents of", "", table): _contents(connection, table) for table in tables}


def _contents(connection: Connection, table: str) -> str:
    exists = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
    if exists is None or exists[0] is None:
        return "gone"
    query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(*table.split(".")))
    return str(sorted(map(str, connection.execute(query).fetchall())))


def run(connection: Connection, case: Case) -> None:
    """Run a case as the migrator does: one checked statement at a time, over the extended protocol."""
    up, down = sections(case.sql)
    for part in (up, down or ""):
        for statement in split(part):
            connection.execute(statement.text.encode(), binary=True)


def name_of(case: Case) -> str:
    """Return the name of a case for pytest."""
    return case.name


@pytest.mark.parametrize("case", [case for case in cases("good") if mode_of(case.sql) == "outside"], ids=name_of)
def test_good_statements_outside_a_transaction_run(session_dsn: str, case: Case) -> None:
    """A statement that is declared to run outside a transaction runs there, and not inside of one unless it could do without."""
    with psycopg.connect(session_dsn, autocommit=True) as connection:
        run(connection, case)
    _fill_again(session_dsn)


def _fill_again(url: str) -> None:
    """Put back the index that a case may have dropped."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE INDEX IF NOT EXISTS p_audit__entry_tenant ON p_audit__entry (tenant_id, created_at)")
        connection.execute("DROP INDEX IF EXISTS p_audit__entry_amount")


@pytest.mark.parametrize("case", [case for case in cases("good") if mode_of(case.sql) != "outside"], ids=name_of)
def test_good_migrations_change_only_own_objects(connection: Connection, before: Picture, case: Case) -> None:
    """A migration that the linter passes runs, and leaves everything that is not the plugin's as it was."""
    start = before | rows(connection, SEQUENCES)
    session = session_of(connection)
    run(connection, case)
    assert catalog.differences(start, take(connection, WATCHED + SEQUENCES)) == []
    assert not faults_of_own(connection, setup_sql(), case.sql)
    after = session_of(connection)
    kept = {"prepared", "cursors", "temporary", "listening", "role"}
    assert {key: after[key] for key in kept} == {key: session[key] for key in kept}


@pytest.mark.parametrize("case", cases("warned"), ids=name_of)
def test_locks_on_core_tables_are_those_that_are_told(connection: Connection, case: Case) -> None:
    """The plan names the locks that pg_locks shows, on the tables that the linter knows."""
    run(connection, case)
    held = {(table, mode) for table, mode in connection.execute(STRONG_LOCKS.encode()).fetchall()}
    told = {(table, mode) for _, table, mode in core_locks(PLUGIN, case.sql, [setup_sql()])}
    assert held == told


@pytest.mark.parametrize("case", [case for case in cases("bad") if case.outcome == "harm"], ids=name_of)
def test_refused_migrations_do_harm(connection: Connection, before: Picture, case: Case) -> None:
    """A statement that is refused as harmful changes another's object, at once or when it is set off."""
    start = before | rows(connection, SEQUENCES)
    run(connection, case)
    for later in case.then:
        connection.execute(later.encode())
    assert catalog.differences(start, take(connection, WATCHED + SEQUENCES))


@pytest.mark.parametrize("case", [case for case in cases("bad") if case.outcome == "cascade"], ids=name_of)
def test_refused_triggers_stop_the_server(connection: Connection, case: Case) -> None:
    """A trigger that is refused for cascades makes the server's DELETE of a tenant fail, or leaves orphans behind."""
    connection.execute("INSERT INTO tenant (id, slug) VALUES (%s, 'gone')", [DELETED])
    insert = "INSERT INTO p_audit__entry (tenant_id, action, level) VALUES (%(t)s, 'x', 'error'), (%(t)s, 'y', 'error')"
    connection.execute(insert.encode(), {"t": DELETED})
    run(connection, case)
    for later in case.then:
        connection.execute(later.encode())
    assert faults_of_own(connection, setup_sql(), case.sql)
    try:
        connection.execute("DELETE FROM tenant WHERE id = %s", [DELETED])
    except psycopg.Error:
        return
    assert _orphans(connection)


def _orphans(connection: Connection) -> int:
    """Count the rows that are left of a tenant that is gone."""
    count = 0
    for table, query in ORPHANS.items():
        row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
        if row and row[0]:
            count += len(connection.execute(query.encode(), {"gone": DELETED}).fetchall())
    return count


@pytest.mark.parametrize("case", [case for case in cases("bad") if case.outcome == "pgerror"], ids=name_of)
def test_refused_migrations_fail_on_postgres(connection: Connection, case: Case) -> None:
    """A statement that is refused as no SQL is refused by PostgreSQL, too."""
    with pytest.raises(psycopg.Error):
        connection.execute(case.sql.encode())


@pytest.mark.parametrize("case", [case for case in cases("bad") if case.outcome == "newer"], ids=name_of)
def test_newer_syntax_runs_where_it_is_known(connection: Connection, case: Case) -> None:
    """A statement that is refused for older releases runs from the release on that the case names, and on none before."""
    if connection.info.server_version // 10000 >= case.since:
        run(connection, case)
    else:
        with pytest.raises(psycopg.Error):
            run(connection, case)


@pytest.mark.parametrize("expression", malformed())
def test_malformed_expressions_are_syntax_errors(syntax: Connection, expression: str) -> None:
    """PostgreSQL's parser itself refuses each expression of the corpus."""
    with pytest.raises(psycopg.errors.SyntaxError):
        syntax.execute(f"UPDATE p_audit__entry SET action = {expression}".encode())


@pytest.mark.parametrize("statement", malformed_statements())
def test_malformed_statements_are_syntax_errors(syntax: Connection, statement: str) -> None:
    """PostgreSQL's parser itself refuses each statement of the corpus."""
    with pytest.raises(psycopg.errors.SyntaxError):
        syntax.execute(statement.encode())


@pytest.mark.parametrize("case", [case for case in cases("bad") if case.outcome == "session"], ids=name_of)
def test_refused_migrations_touch_the_session(session_dsn: str, case: Case) -> None:
    """A statement that is refused for the session ends the transaction, or leaves settings, locks or objects behind."""
    with psycopg.connect(session_dsn, prepare_threshold=None) as connection, psycopg.connect(session_dsn) as listener:
        listener.execute("LISTEN wake")
        listener.commit()
        before = session_of(connection)
        for statement in split(case.sql):
            connection.execute(statement.text.encode())
            if connection.info.transaction_status != TransactionStatus.INTRANS:
                break
        for later in case.then:
            connection.execute(later.encode())
        ended = _ended(connection, before)
        connection.rollback()
        assert ended or _notifies(case)


def _ended(connection: Connection, before: dict[str, list[Any]]) -> bool:
    if connection.info.transaction_status != TransactionStatus.INTRANS:
        return True
    return session_of(connection) != before


def _notifies(case: Case) -> bool:
    """Whether the case wakes or listens: PostgreSQL does both only when a transaction ends well."""
    return any(word in case.sql for word in ("NOTIFY", "pg_notify", "LISTEN")) or "CHAIN" in case.sql


@pytest.mark.parametrize("case", [case for case in cases("bad") if case.outcome == "policy"], ids=name_of)
def test_refusals_by_policy_are_valid_sql(connection: Connection, case: Case) -> None:
    """A statement that is refused for policy alone would run: else the fixture would claim too much."""
    run(connection, case)


def session_of(connection: Connection) -> dict[str, list[Any]]:
    """Return the state of a session that a statement can change."""
    return {name: sorted(connection.execute(query.encode()).fetchall()) for name, query in _SESSION.items()}
