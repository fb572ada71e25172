"""Connections to PostgreSQL over TLS: both sides prove themselves by certificates, which may be replaced.

The wheel's PostgreSQL is built without TLS: ``TEST_POSTGRES_BIN`` names the programs of another one (.ci/postgres.sh).
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest
import pytest_asyncio

from core.errors import StartupError
from server.database.embedded import Cluster
from tests.support.calls import start
from tests.support.certificates import Authority
from tests.support.postgres import BINARIES
from tests.support.running import Client, running_server

HOST = "127.0.0.1"


class Database:
    """A cluster that takes connections over TLS alone, from clients with a certificate; and the files of a client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority("servers")
        self.authority.write(folder / "ca.pem")
        self.clients = Authority("clients")
        self.clients.write(folder / "clients.pem")
        self.clients.issue(folder / "client", "postgres")
        self.authority.issue(folder / "server", "database", HOST)
        with socket.create_server((HOST, 0)) as free:
            self.port = free.getsockname()[1]
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "ssl": "on",
            "ssl_cert_file": str(folder / "server.pem"),
            "ssl_key_file": str(folder / "server.key"),
            "ssl_ca_file": str(folder / "clients.pem"),
            "hba_file": str(folder / "hba"),
        }
        (folder / "hba").write_text(f"local all all trust\nhostssl all all {HOST}/32 cert\n")
        self.cluster = _ClusterOnPort(folder / "data", self.port, settings)

    def url(self, **parameters: str) -> str:
        """Return the address for a client that checks the server, and shows its certificate."""
        files = {
            "sslrootcert": str(self.folder / "ca.pem"),
            "sslcert": str(self.folder / "client.pem"),
            "sslkey": str(self.folder / "client.key"),
        }
        query = urlencode({"sslmode": "verify-full", **files, **parameters})
        return f"postgres://postgres@{HOST}:{self.port}/postgres?{query}"


class _ClusterOnPort(Cluster):
    """The socket in the file system has the number of the port, too."""

    def __init__(self, data: Path, port: int, settings: dict[str, str]) -> None:
        assert BINARIES is not None, "TEST_POSTGRES_BIN must name the programs of a PostgreSQL with TLS"
        super().__init__(data, durable=False, binaries=Path(BINARIES), settings=settings)
        self._port = port

    def url(self, database: str = "postgres") -> str:
        return f"{super().url(database)}&port={self._port}"


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Database]:
    """A database that is reached over TLS alone."""
    database = Database(tmp_path)
    database.cluster.start()
    try:
        yield database
    finally:
        database.cluster.stop()


@pytest_asyncio.fixture
async def client(secured: Database) -> AsyncIterator[Client]:
    async with running_server(secured.url()) as client:
        yield client


async def _encrypted(client: Client) -> bool:
    async with client.pool.connection() as connection:
        rows = await connection.execute(b"SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        [(encrypted,)] = await rows.fetchall()
        return bool(encrypted)


async def test_a_server_works_over_verified_tls(client: Client) -> None:
    """Also what is outside of the pool, such as the listener and the locks: no other way leads to the database."""
    assert await start(client)
    assert await _encrypted(client)
    async with client.pool.connection() as connection:
        rows = await connection.execute(
            b"SELECT count(*) FROM pg_stat_activity AS a JOIN pg_stat_ssl AS s USING (pid)"
            b" WHERE a.backend_type = 'client backend' AND NOT s.ssl"
        )
        assert await rows.fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"sslrootcert": "other.pem"}, "certificate verify failed"),
        ({"sslcert": "none.pem"}, "certificate"),
        ({"sslmode": "disable"}, "no encryption"),
    ],
    ids=["an unknown authority", "no certificate of the client", "no TLS"],
)
async def test_a_connection_that_proves_nothing_stops_the_start(
    secured: Database, parameters: dict[str, str], reason: str
) -> None:
    """The error names the reason and the database, at once: to wait would not help."""
    Authority("another").write(secured.folder / "other.pem")
    given = {name: str(secured.folder / each) if each.endswith(".pem") else each for name, each in parameters.items()}
    with pytest.raises(StartupError) as error:
        async with running_server(secured.url(**given), DATABASE__STARTUP_WAIT="0"):
            pass
    assert reason in str(error.value)
    assert f"{HOST}" in str(error.value)


async def test_a_replaced_certificate_serves_the_next_connection(secured: Database) -> None:
    """The authority of the clients changes under a running server: old connections go on, new ones have the new file."""
    async with running_server(secured.url()) as client:
        assert await start(client)
        newer = Authority("newer clients")
        newer.write(secured.folder / "clients.pem")
        newer.issue(secured.folder / "client", "postgres")
        with psycopg.connect(secured.cluster.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_ssl WHERE ssl")
        assert await start(client)
        assert await _encrypted(client)


async def test_a_certificate_for_another_host_is_refused(secured: Database) -> None:
    """``verify-full`` compares the name, too."""
    secured.authority.issue(secured.folder / "server", "database", "127.0.0.2")
    with psycopg.connect(secured.cluster.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")
    with pytest.raises(StartupError, match=r"127\.0\.0\.1"):
        async with running_server(secured.url(), DATABASE__STARTUP_WAIT="0"):
            pass
