"""Chunks as notifications, which carry less than 8,000 bytes each: a larger chunk travels in parts.

The parts of a chunk are sent by one statement, so they arrive one after the other; those of several processes
may mix. A part that gets lost, when a connection breaks, costs its chunk and nothing else.
"""

from __future__ import annotations

import itertools
import json
from collections import OrderedDict
from collections.abc import Iterator
from uuid import UUID, uuid4

from server.domain.stream import Chunk, ChunkKind

PART_BYTES = 7_000
"""Leaves room for what stands before the part."""

_INSIDE_CHARACTER = range(0x80, 0xC0)
"""The bytes of UTF-8 that begin no character."""

MAX_UNFINISHED = 100
"""Chunks of which some parts have come; the oldest are given up for new ones."""


class Sender:
    """Cuts chunks into notifications. Their texts never repeat: PostgreSQL sends equal ones only once."""

    def __init__(self) -> None:
        """Take a name that no other process has."""
        self._name = uuid4().hex[:12]
        self._numbers = itertools.count(1)

    def parts(self, chunk: Chunk) -> Iterator[str]:
        """Yield the notifications that carry a chunk."""
        pieces = list(_pieces(chunk.payload))
        ident = f"{self._name}-{next(self._numbers)}"
        about = [str(chunk.tenant_id), str(chunk.workflow_id or ""), str(chunk.task_id), chunk.kind]
        for index, piece in enumerate(pieces):
            yield f"{ident} {index} {len(pieces)} {json.dumps(about)}\n{piece}"


class Receiver:
    """Puts chunks together again."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._unfinished: OrderedDict[str, list[str]] = OrderedDict()

    def take(self, notification: str) -> Chunk | None:
        """Return the chunk that this notification completes, if it does.

        Raises:
            ValueError: somebody else sent it.
        """
        head, _, piece = notification.partition("\n")
        ident, index, count, about = head.split(" ", 3)
        if int(count) == 1:
            return _chunk(about, piece)
        pieces = self._unfinished.setdefault(ident, [])
        if int(index) != len(pieces):  # a part before this one was lost
            del self._unfinished[ident]
            return None
        pieces.append(piece)
        if len(pieces) == int(count):
            del self._unfinished[ident]
            return _chunk(about, "".join(pieces))
        while len(self._unfinished) > MAX_UNFINISHED:
            self._unfinished.popitem(last=False)
        return None


def _chunk(about: str, payload: str) -> Chunk:
    match json.loads(about):
        case [str(tenant), str(run), str(task), str(kind)]:
            return Chunk(UUID(tenant), UUID(run) if run else None, UUID(task), ChunkKind(kind), payload)
    raise ValueError("not a chunk")


def _pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces of a bounded number of bytes, cut between characters; at least one, if empty."""
    data = text.encode()
    start = 0
    while True:
        end = start + PART_BYTES
        while end < len(data) and data[end] in _INSIDE_CHARACTER:
            end -= 1
        yield data[start:end].decode()
        start = end
        if start >= len(data):
            return
