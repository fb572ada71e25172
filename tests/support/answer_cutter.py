"""A proxy between a gRPC client and a server that hangs up when the server answers: the client gets no answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

READ_BYTES = 65536
FRAME_HEAD = 9
"""Bytes in front of every HTTP/2 frame: three of the length, then the type."""
HEADERS_FRAME = 1


class AnswerCutter:
    """Passes bytes on until the server's first answer, and hangs up on both sides."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: set[asyncio.Task[None]] = set()
        self.cuts = 0

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either end closes it."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def wait_closed(self) -> None:
        """Wait until every connection is closed."""
        if self._open:
            await asyncio.wait(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        requests = asyncio.create_task(_pass_on(reader, to_server))
        try:
            while (frame := await _frame(from_server)) and frame[3] != HEADERS_FRAME:
                writer.write(frame)
            self.cuts += bool(frame)
        finally:
            requests.cancel()
            for each in (to_server, writer):
                each.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """Return the next frame; nothing when the other side has hung up."""
    try:
        head = await reader.readexactly(FRAME_HEAD)
        return head + await reader.readexactly(int.from_bytes(head[:3], "big"))
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


@asynccontextmanager
async def answers_cut(port: int) -> AsyncIterator[tuple[AnswerCutter, int]]:
    """Run a cutter in front of a server's port; lend it, and its own port."""
    cutter = AnswerCutter(port)
    async with await asyncio.start_server(cutter.accept, "127.0.0.1", 0) as listener:
        yield cutter, listener.sockets[0].getsockname()[1]
    await cutter.wait_closed()
