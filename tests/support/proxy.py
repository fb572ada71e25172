"""A proxy between a server and its database that cuts the connection at the worst moment: around a commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

SOCKET = ".s.PGSQL.5432"
READ_BYTES = 65536


class Cut(Enum):
    """The moment in which a connection is cut."""

    BEFORE = "before the database gets the COMMIT"
    AFTER = "after the database has answered the COMMIT, before the server gets the answer"
    AFTER_STATEMENT = "after the database has carried out and answered one statement outside of a transaction block"


AROUND_COMMIT = [Cut.BEFORE, Cut.AFTER]

ANSWERED = {Cut.AFTER: b"COMMIT\0", Cut.AFTER_STATEMENT: b"Z\0\0\0\5I"}
"""The database's answer: the tag of COMMIT, which ends with a zero byte; that it is idle again."""


class Proxy:
    """Passes bytes between clients and the database's socket, until told to cut."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._wanted: tuple[Cut, bytes] | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.cuts = 0
        self._orders = 0
        self._through: asyncio.Event = asyncio.Event()
        self._through.set()
        self._delay_s = 0.0

    def lead_to(self, database: Path) -> None:
        """Connect later clients with another database; present connections stay."""
        self._database = database

    @contextmanager
    def swallowing(self) -> Iterator[None]:
        """Be a black hole: connections are taken and stay, and no byte gets to the database."""
        self._through.clear()
        try:
            yield
        finally:
            self._through.set()

    @contextmanager
    def delaying(self, seconds: float) -> Iterator[None]:
        """Pass on later what the clients send."""
        self._delay_s = seconds
        try:
            yield
        finally:
            self._delay_s = 0.0

    def cut_next(self, cut: Cut, mark: str) -> None:
        """Cut the next connection that sends a COMMIT, or a statement, with ``mark`` before it or in it."""
        self._wanted = (cut, mark.encode())
        self._orders += 1

    async def hang_up(self) -> None:
        """End every connection that is left: one that failed stays open while a log record holds the error."""
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either end closes it."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client of this proxy with the database, until either hangs up or the connection is cut."""
        try:
            from_database, to_database = await asyncio.open_unix_connection(self._database)
        except OSError:  # the database is away: its client sees a closed connection
            writer.close()
            return
        answers = asyncio.create_task(_pass_on(from_database, writer))
        sent, orders = b"", self._orders
        try:
            while data := await reader.read(READ_BYTES):
                await self._through.wait()
                await asyncio.sleep(self._delay_s)
                sent, orders = (sent if orders == self._orders else b"") + data, self._orders
                cut = self._due_cut(sent)
                if cut in ANSWERED:
                    answers.cancel()
                    await asyncio.wait([answers])  # it gives the reader free
                    to_database.write(data)
                    await _until(from_database, ANSWERED[cut])
                if cut is not None:
                    break
                to_database.write(data)
        except ConnectionError:
            pass  # the client has gone
        finally:
            answers.cancel()
            for each in (to_database, writer):
                each.close()

    def _due_cut(self, sent: bytes) -> Cut | None:
        if self._wanted is None:
            return None
        cut, mark = self._wanted
        if mark not in sent or (cut is not Cut.AFTER_STATEMENT and b"COMMIT" not in sent.rpartition(mark)[2]):
            return None
        self._wanted = None
        self.cuts += 1
        return cut


async def _until(reader: asyncio.StreamReader, answer: bytes) -> None:
    """Read until the answer has come."""
    seen = b""
    while answer not in seen:
        data = await reader.read(READ_BYTES)
        assert data, "the database hung up before it answered"
        seen += data


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(READ_BYTES):
            writer.write(data)
    except ConnectionError:
        pass  # the database has gone
    writer.close()


@asynccontextmanager
async def proxied(database_url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """Run a proxy to the database of a test; lend it, and the address of the database through it."""
    address = urlsplit(database_url)
    (host,) = parse_qs(address.query)["host"]
    proxy = Proxy(Path(host, SOCKET))
    # a socket's path has 107 bytes at most: folders of tests, and TMPDIR, may be longer
    with TemporaryDirectory(prefix="pg-cut-", dir="/tmp") as folder:
        async with await asyncio.start_unix_server(proxy.accept, Path(folder) / SOCKET):
            yield proxy, f"postgres://postgres@{address.path}?host={folder}"
            await proxy.hang_up()
