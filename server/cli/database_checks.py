"""Checks of ``flovyn-server doctor`` in the database: the server itself, its clock, and the migrations."""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import FlovynError, MigrationError
from server.boot.edition import Edition
from server.boot.preparation import Prepared, load_plugins, make_connection, make_migrator
from server.cli.finding import Diagnosis, fail, ok, warn
from server.cli.table_checks import table_checks
from server.database.addresses import pooled
from server.database.pool import look
from server.database.poolers import PoolerError, Route, Sessions
from server.database.vitals import Vitals, vitals

OLDEST, NEWEST = 15, 18
SLOW_S = 0.02
"""A round trip that takes longer is felt in every call."""
OUTSIDE_THE_POOL = 3
"""Connections of a worker process of its own: for locks, for LISTEN, and for the question whether it is ready."""
SESSIONS = 2
"""Of these, connections that need a session; with a pooler in transaction mode, only they lead to PostgreSQL itself."""
AUTOVACUUM_RARE_S = 60.0
CLOCK_OFF_S, CLOCK_WRONG_S = 1.0, 60.0


async def database(edition: Edition, prepared: Prepared) -> list[Diagnosis]:
    """Look at the database; one finding when it cannot be reached."""
    try:
        async with await make_connection(prepared.settings) as connection:
            found = await vitals(connection)
            of_tables = await table_checks(connection)
        route = await look(pooled(prepared.settings), prepared.settings.database)
    except PoolerError as error:
        return [fail("pooler", error.fact, error.advice)]
    except FlovynError as error:
        return [fail("database", str(error), "start PostgreSQL, or correct DATABASE_URL")]
    asked = [*_server(found), _pooler(route), _connections(prepared, found, route), _clock(found), autovacuum(found)]
    asked += of_tables
    return [*asked, *await _migrations(edition, prepared)]


def _pooler(route: Route) -> Diagnosis:
    if route.prepares or route.sessions is not Sessions.LENT:
        return ok("pooler", f"{route.sessions.value} between the server and PostgreSQL")
    text = f"{route.sessions.value}, which does not know prepared statements: each statement is planned anew"
    return warn("pooler", text, "prefer PgBouncer 1.22 or later with max_prepared_statements = 200")


def _server(found: Vitals) -> Iterator[Diagnosis]:
    major = found.version // 10_000
    text = f"PostgreSQL {major} answers within {found.latency * 1000:.1f} ms"
    if major < OLDEST:
        yield fail("database", text, f"upgrade to PostgreSQL {OLDEST} to {NEWEST}")
    elif major > NEWEST:
        yield warn(
            "database", f"{text}; it is newer than the tested releases", f"prefer PostgreSQL {OLDEST} to {NEWEST}"
        )
    elif found.latency > SLOW_S:
        yield warn("database", text, "run the server closer to its database")
    else:
        yield ok("database", text)
    if found.encoding != "UTF8":
        yield fail("encoding", f"the database is encoded in {found.encoding}", "create one with ENCODING 'UTF8'")
    else:
        yield ok("encoding", found.encoding)
    yield _rights(found)


def _rights(found: Vitals) -> Diagnosis:
    if found.standby:
        return fail("rights", "it is a standby and takes no writes", "let DATABASE_URL name the primary")
    if found.read_only:
        advice = "switch default_transaction_read_only off: for the role, for the database, or in postgresql.conf"
        return fail("rights", "the server's sessions are set to read-only", advice)
    if not found.may_create:
        advice = "GRANT USAGE, CREATE ON SCHEMA public TO the role in DATABASE_URL"
        return fail("rights", "the server's role may not create tables in the schema public", advice)
    if found.may_make_role:
        return ok("rights", "migrations can run; those of plugins under a role of their own")
    return ok(
        "rights", "migrations can run; those of plugins under our own role, which may not make another (CREATEROLE)"
    )


def _connections(prepared: Prepared, found: Vitals, route: Route) -> Diagnosis:
    """Compare the connections of all processes of all servers with what PostgreSQL has room for."""
    settings = prepared.settings
    lent = route.sessions is Sessions.LENT  # the pooler's connections are counted with those of others
    each = SESSIONS if lent else settings.database.pool_size + OUTSIDE_THE_POOL
    servers, workers = settings.database.servers, settings.process.workers
    wanted = servers * workers * each + workers * each  # new processes start before old ones end
    left = found.usable_connections - found.other_connections
    if found.role_connections is not None:
        left = min(left, found.role_connections)
    text = (
        f"{servers} x {workers} processes open up to {each} each, and as many as one server more during a replacement:"
        f" {wanted}; PostgreSQL has room for {left}"
    )
    if left >= wanted:
        return ok("connections", text)
    return warn("connections", text, "raise max_connections in PostgreSQL, lower pool_size or workers, or use a pooler")


def _clock(found: Vitals) -> Diagnosis:
    off = abs(found.clock_ahead)
    text = f"the database's is {off:.3f} s {'ahead of' if found.clock_ahead > 0 else 'behind'} ours"
    advice = "set the clocks of both machines by NTP (chrony, systemd-timesyncd)"
    if off > CLOCK_WRONG_S:
        return fail("clock", text, advice)
    return warn("clock", text, advice) if off > CLOCK_OFF_S else ok("clock", text)


def autovacuum(found: Vitals) -> Diagnosis:
    """Check that autovacuum is on and frequent enough for the rows that updates and deletions leave behind."""
    if found.autovacuum_every is None:
        advice = "set autovacuum = on in PostgreSQL; without it, tables grow for ever and claims become slow"
        return fail("autovacuum", "it is off", advice)
    text = f"it looks at a database every {found.autovacuum_every:g} s"
    if found.autovacuum_every > AUTOVACUUM_RARE_S:
        return warn("autovacuum", text, "set autovacuum_naptime to 15s in PostgreSQL")
    return ok("autovacuum", text)


async def _migrations(edition: Edition, prepared: Prepared) -> list[Diagnosis]:
    try:
        plan = await make_migrator(prepared).plan(load_plugins(edition, prepared.sources).owners())
    except MigrationError as error:
        return [fail("migrations", str(error), "run the edition that created this database, or restore it")]
    except FlovynError as error:
        return [fail("migrations", str(error), "let the server's role read _plugin_migrations")]
    found: list[Diagnosis] = []
    if plan.ahead:
        text = (
            f"the database has {len(plan.ahead)} that this edition does not know, {plan.ahead[-1].owner}'s among them"
        )
        found.append(warn("migrations", text, "run the newer edition, unless you downgrade on purpose"))
    if plan.pending:
        text = f"{len(plan.pending)} are pending: {', '.join(map(str, plan.pending))}"
        if prepared.settings.auto_migrate:
            found.append(
                warn("migrations", text, "the next start applies them; see them first: 'flovyn-server migrate plan'")
            )
        else:
            found.append(fail("migrations", f"{text}; auto_migrate is off", "run 'flovyn-server migrate'"))
    return found or [ok("migrations", "all are applied")]
