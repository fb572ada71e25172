"""Chunks on their way from tasks to watchers."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import LimitExceeded, Unavailable
from server.domain.stream import Chunk, ChunkKind, StreamItem
from server.engine.streams.streams import BUFFER, OpenStreams, Streams
from server.engine.streams.wire import MAX_UNFINISHED, PART_BYTES, Receiver, StreamSender
from tests.support.settling import settle

TENANT, TASK, WORKFLOW = UUID(int=1), UUID(int=2), UUID(int=3)
MAX_NOTIFICATION_BYTES = 7_999
"""PostgreSQL refuses more."""


def _chunk(payload: str = "x", task_id: UUID = TASK, workflow_id: UUID | None = WORKFLOW) -> Chunk:
    return Chunk(TENANT, workflow_id, task_id, ChunkKind.TOKEN, payload)


def _looped(**limits: int) -> Streams:
    """Return streams whose notifications come straight back."""

    async def send(notifications: list[str]) -> None:
        for each in notifications:
            streams.received(each)

    streams = Streams(send, OpenStreams(**{"per_process": 10, "per_tenant": 10, **limits}))
    return streams


@given(st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: text * 3000))
def test_any_text_arrives_as_it_was_sent(payload: str) -> None:
    """In parts that a notification can carry, cut between characters; equal chunks do not have equal parts."""
    sender, receiver = StreamSender(), Receiver()
    parts = list(sender.parts(_chunk(payload)))
    assert all(len(part.encode()) <= MAX_NOTIFICATION_BYTES for part in parts)
    assert [receiver.take(part) for part in parts] == [None] * (len(parts) - 1) + [_chunk(payload)]
    assert not set(parts) & set(sender.parts(_chunk(payload)))


def test_a_chunk_that_lost_a_part_is_lost_alone() -> None:
    """Parts of several processes may mix, and what never becomes whole is given up in the end."""
    large = "y" * (2 * PART_BYTES)
    one, other, receiver = StreamSender(), StreamSender(), Receiver()
    mixed = [part for pair in zip(one.parts(_chunk(large)), other.parts(_chunk(large)), strict=True) for part in pair]
    assert [receiver.take(part) for part in mixed].count(_chunk(large)) == 2
    first, second = list(one.parts(_chunk(large)))
    assert receiver.take(second) is None
    for _ in range(MAX_UNFINISHED + 1):
        receiver.take(next(other.parts(_chunk(large))))
    receiver.take(first)
    assert receiver.take(second) == _chunk(large)


@pytest.mark.parametrize("text", ["", "x", "a 0 1 []\n", "a b c {}\n", 'a 0 1 ["x","","",""]\n'])
def test_foreign_notifications_are_told_apart(text: str) -> None:
    """Anybody who can reach the database can notify."""
    with pytest.raises(ValueError, match=r"."):
        Receiver().take(text)


async def test_watchers_of_a_task_and_of_its_workflow_see_its_chunks_in_order() -> None:
    """Subscribers of other tasks and of other tenants do not."""
    streams = _looped()
    async with (
        streams.subscribe((TENANT, TASK)) as task,
        streams.subscribe((TENANT, WORKFLOW)) as workflow,
        streams.subscribe((TENANT, uuid4())) as other,
        streams.subscribe((UUID(int=9), TASK)) as foreign,
    ):
        chunks = [_chunk(str(number)) for number in range(20)]
        for chunk in chunks:
            streams.publish(chunk)
        await streams.close()
        shown = [StreamItem(WORKFLOW, ChunkKind.TOKEN, chunk.payload, None, TASK) for chunk in chunks]
        assert task.take() == workflow.take() == (shown, 0)
        assert other.take() == foreign.take() == ([], 0)


async def test_a_slow_watcher_loses_the_oldest_and_is_told() -> None:
    """The buffer is bounded; who keeps up loses nothing."""
    streams = _looped()
    async with streams.subscribe((TENANT, TASK)) as watch:
        for number in range(BUFFER + 3):
            streams.publish(_chunk(str(number)))
        await streams.close()
        chunks, lost = watch.take()
        assert (lost, [chunk.payload for chunk in chunks]) == (3, [str(n + 3) for n in range(BUFFER)])
        assert watch.take() == ([], 0)


async def test_streams_are_bounded_per_process_and_tenant() -> None:
    """One more is refused; one that was closed makes room."""
    streams = _looped(per_process=2, per_tenant=1)
    async with streams.subscribe((TENANT, TASK)):
        with pytest.raises(LimitExceeded):
            async with streams.subscribe((TENANT, WORKFLOW)):
                pass
        async with streams.subscribe((UUID(int=8), TASK)):
            with pytest.raises(LimitExceeded):
                async with streams.subscribe((UUID(int=9), TASK)):
                    pass
    async with streams.subscribe((TENANT, TASK)):
        pass


async def test_a_drain_ends_every_watch() -> None:
    """A stream that waits hears of it at once, and a new one ends where it begins."""
    streams = _looped()
    async with streams.subscribe((TENANT, TASK)) as watch:
        waiting = asyncio.ensure_future(watch.wait(60))
        await settle()
        streams.end()
        await asyncio.wait_for(waiting, 5)
        assert watch.is_closed
    async with streams.subscribe((TENANT, TASK)) as late:
        assert late.is_closed


async def test_a_database_that_is_away_costs_chunks_and_nothing_else() -> None:
    """The publisher gets no error, and later chunks are sent."""
    sent: list[str] = []

    async def send(notifications: list[str]) -> None:
        sent.extend(notifications)
        if len(sent) == 1:
            raise Unavailable("away")

    streams = Streams(send, OpenStreams(1, 1))
    for number in range(2):
        streams.publish(_chunk(str(number)))
        await streams.close()
    assert [text.partition("\n")[2] for text in sent] == ["0", "1"]
