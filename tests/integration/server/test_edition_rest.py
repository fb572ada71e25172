"""The edition over REST: its plugins, and the migrations that its database has, lacks, or has from a newer edition."""

from __future__ import annotations

from plugins.worker_token.plugin import WorkerTokenPlugin
from tests.support.administrators import ADMIN_KEY, ADMINISTERED
from tests.support.running import WORKER_KEY, Client, running_server

SETTINGS = {"WORKER_TOKEN_SECRET": "s" * 32}


async def _states(client: Client) -> dict[tuple[str, int], str]:
    answer = await client.rest("GET", "/api/v1/edition", key=ADMIN_KEY)
    assert answer.status_code == 200, answer.text
    return {(each["owner"], each["version"]): each["state"] for each in answer.json["migrations"]}


async def test_an_edition_tells_its_plugins_and_applied_migrations(database: str) -> None:
    """The core's come first; a fresh database has all of them, with the time at which each was applied."""
    async with running_server(database, [WorkerTokenPlugin], ADMINISTERED, **SETTINGS) as client:
        found = (await client.rest("GET", "/api/v1/edition", key=ADMIN_KEY)).json
        assert (found["name"], found["version"]) == ("test", "0.0.0")
        assert [each["name"] for each in found["plugins"]] == ["worker-token"]
        assert found["migrations"][0] | {"appliedAt": None, "durationMs": None} == {
            "owner": "core",
            "version": 1,
            "description": "create tenant",
            "state": "APPLIED",
            "appliedAt": None,
            "durationMs": None,
        }
        assert {each["owner"] for each in found["migrations"]} == {"core", "worker-token"}
        assert all(each["state"] == "APPLIED" and each["appliedAt"] for each in found["migrations"])


async def test_migrations_that_edition_and_database_do_not_share_are_told_apart(database: str) -> None:
    """One that the database lacks is pending; one that only the database has comes from a newer edition."""
    async with running_server(database, [WorkerTokenPlugin], ADMINISTERED, **SETTINGS) as client:
        async with client.pool.connection() as connection:
            await connection.execute("UPDATE _plugin_migrations SET plugin = 'gone' WHERE plugin = 'worker-token'")
        states = await _states(client)
        assert states["worker-token", 1] == "PENDING"
        assert states["gone", 1] == "NEWER"
        assert states["core", 1] == "APPLIED"


async def test_workers_do_not_see_the_edition_where_roles_are_asked(database: str) -> None:
    """Nor does a caller without credentials."""
    async with running_server(database, (), ADMINISTERED) as client:
        assert (await client.rest("GET", "/api/v1/edition", key=WORKER_KEY)).status_code == 403
        assert (await client.rest("GET", "/api/v1/edition", key=None)).status_code == 401
