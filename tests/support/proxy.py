"""Stands between a server and its database, and cuts the connection at the worst moment: around a COMMIT."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SOCKET = ".s.PGSQL.5432"
READ_BYTES = 65536


class Cut(Enum):
    """When a connection is cut."""

    BEFORE = "before the database gets the COMMIT"
    AFTER = "after the database has answered the COMMIT, before the server gets the answer"


class Proxy:
    """Passes bytes on, until told to cut."""

    def __init__(self, database: Path) -> None:
        """Take the database's socket."""
        self._database = database
        self._wanted: tuple[Cut, bytes] | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.cuts = 0

    def cut_next(self, cut: Cut, mark: str) -> None:
        """Cut the next connection that sends a COMMIT, having sent ``mark`` before it."""
        self._wanted = (cut, mark.encode())

    async def wait_closed(self) -> None:
        """Wait until everybody has hung up."""
        if self._open:
            await asyncio.wait(self._open)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client of this proxy with the database, until either hangs up or the connection is cut."""
        from_database, to_database = await asyncio.open_unix_connection(self._database)
        answers = asyncio.create_task(_pass_on(from_database, writer))
        sent = b""
        try:
            while data := await reader.read(READ_BYTES):
                sent += data
                cut = self._due_cut(sent)
                if cut is Cut.AFTER:
                    answers.cancel()
                    await asyncio.wait([answers])  # it gives the reader free
                    to_database.write(data)
                    await _until_committed(from_database)
                if cut is not None:
                    break
                to_database.write(data)
        finally:
            answers.cancel()
            for each in (to_database, writer):
                each.close()

    def _due_cut(self, sent: bytes) -> Cut | None:
        if self._wanted is None:
            return None
        cut, mark = self._wanted
        if b"COMMIT" not in sent.rpartition(mark)[2] or mark not in sent:
            return None
        self._wanted = None
        self.cuts += 1
        return cut


async def _until_committed(reader: asyncio.StreamReader) -> None:
    """Read until the COMMIT's own answer: a command's tag ends with a zero byte."""
    seen = b""
    while b"COMMIT\0" not in seen:
        data = await reader.read(READ_BYTES)
        assert data, "the database hung up before it answered"
        seen += data


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def proxied(database_url: str, folder: Path) -> AsyncIterator[tuple[Proxy, str]]:
    """Run a proxy to the database of a test; lend it, and the address of the database through it."""
    address = urlsplit(database_url)
    (host,) = parse_qs(address.query)["host"]
    proxy = Proxy(Path(host, SOCKET))
    async with await asyncio.start_unix_server(proxy.accept, folder / SOCKET):
        yield proxy, f"postgres://postgres@{address.path}?host={folder}"
        await proxy.wait_closed()
