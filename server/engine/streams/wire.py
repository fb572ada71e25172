"""The wire form of chunks: notifications.

A notification carries less than 8,000 bytes, so that a larger chunk is sent in parts. One statement
sends all parts of a chunk, so that they arrive in order. The parts of several processes may be mixed. If a part is
lost, because a connection breaks, only its chunk is lost.
"""

from __future__ import annotations

import itertools
import json
from collections import OrderedDict
from collections.abc import Iterator
from uuid import UUID, uuid4

from server.domain.stream import Chunk, ChunkKind

PART_BYTES = 7_000
"""The greatest size of a part; the rest of a notification is its header."""

_INSIDE_CHARACTER = range(0x80, 0xC0)
"""The bytes that continue a character in UTF-8."""

MAX_UNFINISHED = 100
"""The number of incomplete chunks that are kept; beyond it, the oldest are dropped."""


class StreamSender:
    """Cuts chunks into notifications. No two are equal: PostgreSQL drops an equal one in the same transaction."""

    def __init__(self) -> None:
        self._name = uuid4().hex[:12]
        self._numbers = itertools.count(1)

    def parts(self, chunk: Chunk) -> Iterator[str]:
        """Yield the notifications that carry a chunk."""
        pieces = list(_pieces(chunk.payload))
        ident = f"{self._name}-{next(self._numbers)}"
        about = [str(chunk.tenant_id), str(chunk.workflow_id or ""), str(chunk.task_id or ""), chunk.kind]
        if chunk.agent_id is not None:
            about.append(str(chunk.agent_id))
        for index, piece in enumerate(pieces):
            yield f"{ident} {index} {len(pieces)} {json.dumps(about)}\n{piece}"


class Receiver:
    """Joins the parts of chunks."""

    def __init__(self) -> None:
        self._unfinished: OrderedDict[str, list[str]] = OrderedDict()

    def take(self, notification: str) -> Chunk | None:
        """Return the chunk that this notification completes; None while parts are missing.

        Raises:
            ValueError: the notification does not come from a ``StreamSender``.
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
        case [str(tenant), str(workflow), str(task), str(kind), *agent]:
            owners = [UUID(text) if text else None for text in (workflow, task, *map(str, agent), "")]
            return Chunk(UUID(tenant), owners[0], owners[1], ChunkKind(kind), payload, owners[2])
    raise ValueError("not a chunk")


def _pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces of up to ``PART_BYTES``, cut between characters; an empty text is one piece."""
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
