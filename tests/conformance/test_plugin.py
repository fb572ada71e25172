"""One plugin, named by the environment, held against the rules that every plugin follows.

The catalog proof stands in here: on a real PostgreSQL with the core schema, the plugin's migrations are run and
everything else must be as it was: catalogs, rows and sequences.
"""

from __future__ import annotations

import importlib
import os
import re
import warnings
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc.aio
import psycopg
import pytest
from openapi_spec_validator import validate

from core.auth import AuthRequest, Protocol
from core.errors import ConfigError
from core.migration import check_plugin_name, sql_name, table_prefix
from core.named_queries import parse_queries
from core.plugin import Plugin
from migrations.lint import sections
from server.database.connecting import connect
from server.migrator import catalog, inventory
from server.migrator.migrator import Migrator, owners
from server.plugin_checks.contributions import Contributions
from tests.support.plugin_queries import dynamic_sql, query_faults
from tests.support.running import CONFIG, TENANT, Client, running_server

# "module:Class"; plain pytest, which starts this file without a plugin, takes the example
MODULE, _, CLASS = os.environ.get("PLUGIN_ENTRY", "plugins.hello_world.plugin:HelloWorldPlugin").partition(":")
EXAMPLE = f"PLUGINS__HELLO_WORLD__VISITOR_KEY=0123456789abcdef;PLUGINS__HELLO_WORLD__VISITOR_TENANT={TENANT}"
# settings without which the plugin does not start, as variables; "A=1;B=2"
ENVIRON = dict(pair.split("=", 1) for pair in os.environ.get("PLUGIN_ENVIRON", EXAMPLE).split(";") if pair)


@pytest.fixture
def plugin() -> Plugin:
    """An instance of the plugin."""
    made = getattr(importlib.import_module(MODULE), CLASS)()
    assert isinstance(made, Plugin)
    return made


async def test_running_its_migrations_changes_nothing_of_others(plugin: Plugin, database: str) -> None:
    """The catalog proof, from the core schema; a second run has nothing to do."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO tenant (id, slug, name) VALUES (%s, 'proof', 'Proof')", (uuid4(),))
    migrator = Migrator(lambda: connect(database, timeout=5), {}, "proof")
    async with await connect(database, timeout=5) as connection:
        await catalog.snapshot(connection, plugin.name)
    await _prepare_role(migrator)
    before = await _everything(database, plugin)
    applied = await migrator.apply(owners([plugin]))
    assert len(applied) == len(plugin.migrations())
    after = await _everything(database, plugin)
    assert catalog.differences(before[0], after[0]) == []
    assert before[1] == after[1]
    assert await migrator.apply(owners([plugin])) == ()


async def test_its_queries_are_statements_that_postgresql_understands(plugin: Plugin, database: str) -> None:
    """Each named query is prepared on the migrated schema, and touches rows that the plugin may touch."""
    await Migrator(lambda: connect(database, timeout=5), {}, "proof").apply(owners([plugin]))
    with psycopg.connect(database, autocommit=True) as connection:
        assert query_faults(connection, plugin.name, _named_queries()) == []


def test_dynamic_sql_in_its_python_is_named(plugin: Plugin) -> None:
    """Statements that are put together at run time cannot be prepared here; each place is named as a warning."""
    for place in dynamic_sql(Path(str(files(MODULE.rpartition(".")[0])))):
        warnings.warn(f"{plugin.name}: {place}: this SQL is made at run time and was not checked", stacklevel=1)


def _named_queries() -> Mapping[str, str]:
    """Return the queries of every .sql file of the plugin's package, by file and name."""
    package = files(MODULE.rpartition(".")[0])
    found: dict[str, str] = {}
    for entry in sorted(package.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            found |= {f"{entry.name}: {n}": q for n, q in parse_queries(entry.read_text("utf-8"), entry.name).items()}
    return found


async def test_the_objects_that_it_makes_are_known_to_be_its_own(plugin: Plugin, database: str) -> None:
    """Every object that was made carries the plugin's prefix, and none is left when it is purged."""
    migrator = Migrator(lambda: connect(database, timeout=5), {}, "proof")
    async with await connect(database, timeout=5) as connection:
        before = {(each.kind, each.name) for each in await inventory.objects(connection, [plugin.name], ())}
        await migrator.apply(owners([plugin]))
        found = await inventory.objects(connection, [plugin.name], ())
        made = [each for each in found if (each.kind, each.name) not in before]
        assert [each for each in made if not each.name.startswith(table_prefix(plugin.name))] == []
        await inventory.purge(connection, plugin.name, [each for each in found if each.plugin == plugin.name])
        left = await inventory.objects(connection, [plugin.name], ())
        assert [each for each in left if each.plugin == plugin.name] == []


async def test_taking_its_migrations_back_leaves_nothing(plugin: Plugin, database: str) -> None:
    """Where every migration has a '-- down' section, up, down and up again end as up does."""
    if not plugin.migrations() or any(sections(each.sql)[1] is None for each in plugin.migrations()):
        return  # there is nothing to take back, or it is not meant to be
    migrator = Migrator(lambda: connect(database, timeout=5), {}, "proof")
    owner = next(each for each in owners([plugin]) if each.name == plugin.name)
    await migrator.apply(owners([plugin]))
    await migrator.rollback(owner, 0)
    async with await connect(database, timeout=5) as connection:
        left = await inventory.objects(connection, [plugin.name], ())
        assert [each.name for each in left if each.plugin == plugin.name] == []
    assert len(await migrator.apply(owners([plugin]))) == len(plugin.migrations())


async def test_it_starts_and_stops_twice(plugin: Plugin, database: str) -> None:
    """A server with the plugin starts and stops, and does so again on the same database."""
    for _ in range(2):
        async with running_server(database, [type(plugin)], None, **ENVIRON) as client:
            assert (await client.rest("GET", "/_/health", key=None)).status_code == 200


async def test_its_routes_are_its_own_and_closed(plugin: Plugin, database: str) -> None:
    """Every route lies below the plugin's place; without credentials it answers 401, if it is not declared open."""
    async with running_server(database, [type(plugin)], None, **ENVIRON) as client:
        for route in client.registry.build_rest_router():
            assert route.path.startswith(f"/api/v1/p/{plugin.name}/")
            assert route.is_open == (f"{route.method} {route.path}" in _declared(client, plugin).open_routes)
            for path in () if route.is_open else (route.path, *route.aliases):
                assert (await _unauthenticated(client, route.method, path)) == 401, path


async def test_its_pages_are_closed_unless_they_are_declared_open(plugin: Plugin, database: str) -> None:
    """A page answers 401 without credentials, if the manifest does not list it as open; all of its files are served."""
    async with running_server(database, [type(plugin)], None, **ENVIRON) as client:
        names = _declared(client, plugin)
        for page in names.pages:
            answer = await client.rest("GET", page, key=None)
            assert answer.status_code == (200 if f"GET {page}" in names.open_routes else 401), page
            shown = await client.rest("GET", page)
            if shown.status_code == 403:  # for others than the operator of this test
                continue
            assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]
            assert _faults_of_html(shown.text) == []
            for name in re.findall(r'(?:src|href)="([^"]+)"', shown.text):
                assert (await client.rest("GET", name, key=None)).status_code == 200, name


async def test_its_services_are_its_own_and_closed(plugin: Plugin, database: str) -> None:
    """Every gRPC service is in the plugin's package; its methods answer UNAUTHENTICATED without credentials."""
    async with running_server(database, [type(plugin)], None, **ENVIRON) as client:
        for service in client.registry.grpc_services():
            assert service.descriptor.full_name.startswith(f"flovyn.plugins.{sql_name(plugin.name)}.v1.")
            for method in service.methods:
                call: Any = client.channel.unary_stream(f"/{service.descriptor.full_name}/{method}")
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await anext(aiter(call(b"")))
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED, method


async def test_its_part_of_the_openapi_document_is_valid(plugin: Plugin, database: str) -> None:
    """The server's document with the plugin in it validates, and has all of the plugin's routes."""
    async with running_server(database, [type(plugin)], None, **ENVIRON) as client:
        document: Any = (await client.rest("GET", "/api/docs/openapi.json")).json
        validate(document)
        for route in client.registry.build_rest_router():
            assert route.method.lower() in document["paths"][route.path]


async def test_its_authenticators_leave_others_credentials_alone(plugin: Plugin, database: str) -> None:
    """Credentials of another kind, and none at all, are passed on and not refused."""
    async with running_server(database, [type(plugin)], None, **ENVIRON) as client:
        names = plugin.authenticator_names()
        for authenticator in client.registry.collect_authenticators(names).values():
            for headers in ({}, {"authorization": "Basic eDp5"}):
                request = AuthRequest(Protocol.REST, "/x", headers)
                assert (await authenticator.authenticate(request)).identity is None


async def test_nonsense_in_its_configuration_is_named(plugin: Plugin, database: str) -> None:
    """An unknown key of its section stops the start with the key's name."""
    if plugin.config() is None:
        assert plugin.config() is None
        return
    config: Mapping[str, object] = {**CONFIG, "plugins": {sql_name(plugin.name): {"no_such_setting": 1}}}
    with pytest.raises(ConfigError, match="no_such_setting"):
        async with running_server(database, [type(plugin)], config, **ENVIRON):
            pass


def test_name_and_version_stand_in_its_module(plugin: Plugin) -> None:
    """The class says what the module's constants say, which the build has read."""
    module = importlib.import_module(MODULE)
    assert (plugin.name, plugin.version) == (module.NAME, module.VERSION)
    assert check_plugin_name(plugin.name) == plugin.name


async def _prepare_role(migrator: Migrator) -> None:
    """Let the migrations' role exist before the first snapshot: making it is the server's doing."""
    from server.migrator import plugin_role

    async with await migrator._connect() as connection:
        await connection.execute("SELECT 1")
        await plugin_role.prepare(connection)


async def _everything(database: str, plugin: Plugin) -> tuple[catalog.Snapshot, list[tuple[object, ...]]]:
    """Return the catalogs, and the rows and sequences of what is not the plugin's."""
    async with await connect(database, timeout=5) as connection, connection.transaction():
        own = table_prefix(plugin.name).replace("_", r"\_") + "%"
        tables = await (
            await connection.execute(
                "SELECT format('%%I', tablename) FROM pg_tables WHERE schemaname = 'public'"
                " AND tablename NOT LIKE %s AND tablename <> '_plugin_migrations' ORDER BY 1",
                (own,),
            )
        ).fetchall()
        rows: list[tuple[object, ...]] = []
        for (table,) in tables:
            query = f"SELECT '{table}', md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {table} AS t"
            rows += await (await connection.execute(query.encode())).fetchall()
        sequences = "SELECT sequencename, last_value FROM pg_sequences WHERE sequencename NOT LIKE %s ORDER BY 1"
        rows += await (await connection.execute(sequences, (own,))).fetchall()
        return await catalog.snapshot(connection, plugin.name), rows


def _declared(client: Client, plugin: Plugin) -> Contributions:
    """Return the names that the build writes into the manifest of an edition with the plugin."""
    return client.registry._declared[plugin.name].contributions


def _faults_of_html(text: str) -> list[str]:
    """Return the parts that the policy would not run: scripts and styles inside of the HTML."""
    return re.findall(r"<script(?![^>]*\ssrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=|javascript:", text, re.IGNORECASE)


async def _unauthenticated(client: Client, method: str, path: str) -> int:
    return (await client.rest(method, path, key=None)).status_code
