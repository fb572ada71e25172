"""Answers to polls that were not received are found by what their workers do afterwards, and no others are."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from server.engine.dispatch.connections import ConnectionActivity
from server.engine.dispatch.receipts import GRACE_S, Receipts, abandoned, unread
from tests.support.loop_clock import LoopClock, stopped_clock

TENANT = UUID(int=1)
WORKER, OTHER = (TENANT, "w"), (TENANT, "v")
OLD, NEW = "ipv4:1:1 Worker:a", "ipv4:1:2 Worker:a"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> LoopClock:
    """A clock that stands still."""
    return stopped_clock(monkeypatch)


def _key() -> tuple[UUID, UUID]:
    return (TENANT, uuid4())


def test_a_workflow_that_is_not_received_is_lost_when_its_worker_polls_on(clock: LoopClock) -> None:
    """After the grace, and not before; once."""
    answers = Receipts(unread)
    claim = uuid4()
    answers.answered(_key(), claim, WORKER, OLD)
    assert answers.polled(WORKER, OLD) == []
    clock.now += GRACE_S
    assert answers.polled(OTHER, OLD) == []
    assert [each.claim for each in answers.polled(WORKER, OLD)] == [claim]
    assert answers.polled(WORKER, OLD) == []


def test_a_workflow_that_its_worker_reads_is_not_lost(clock: LoopClock) -> None:
    """Over any connection of the worker's principal; a reader of another principal confirms nothing."""
    answers = Receipts(unread)
    read, seen = _key(), _key()
    answers.answered(read, uuid4(), WORKER, OLD)
    answers.answered(seen, uuid4(), WORKER, OLD)
    answers.read(read, NEW)
    answers.read(seen, "ipv4:1:3 User:b")
    clock.now += GRACE_S
    assert [each.key for each in answers.polled(WORKER, OLD)] == [seen]


def test_nothing_is_concluded_about_workers_that_do_not_read(clock: LoopClock) -> None:
    """They submit without having read: at once, or after their workflow was taken for lost."""
    for grace in (0.0, GRACE_S):
        answers = Receipts(unread)
        answers.answered(key := _key(), uuid4(), WORKER, OLD)
        clock.now += grace
        answers.polled(WORKER, OLD)
        answers.submitted(key)
        answers.answered(_key(), uuid4(), WORKER, OLD)
        clock.now += GRACE_S
        assert answers.polled(WORKER, OLD) == []


def _tasks() -> tuple[Receipts, ConnectionActivity]:
    connections = ConnectionActivity()
    return Receipts(abandoned(connections)), connections


def _call(connections: ConnectionActivity, held_by: str) -> None:
    connections.called(held_by.partition(" ")[0])


def test_a_task_is_lost_when_its_worker_polls_over_a_new_connection(clock: LoopClock) -> None:
    """The old connection has been silent since the answer."""
    answers, connections = _tasks()
    _call(connections, OLD)
    answers.answered(_key(), claim := uuid4(), WORKER, OLD)
    clock.now += 1
    _call(connections, NEW)
    assert answers.polled(WORKER, NEW) == []
    clock.now += GRACE_S
    assert [each.claim for each in answers.polled(WORKER, NEW)] == [claim]


@pytest.mark.parametrize("case", ["same connection", "not silent", "namesake", "slow worker", "unknown connection"])
def test_a_task_is_not_lost_without_all_the_signs(clock: LoopClock, case: str) -> None:
    """The same connection; a call over it; a namesake that polled before; a worker that was ever silent as long."""
    answers, connections = _tasks()
    _call(connections, OLD)
    if case == "namesake":
        _call(connections, NEW)
    if case == "slow worker":
        clock.now += 10 * GRACE_S
        _call(connections, OLD)
    answers.answered(_key(), uuid4(), WORKER, OLD)
    clock.now += 2
    if case == "not silent":
        _call(connections, OLD)
    if case != "unknown connection":
        _call(connections, NEW)
    clock.now += 2 * GRACE_S
    assert answers.polled(WORKER, OLD if case == "same connection" else NEW) == []


def test_memory_is_bounded(clock: LoopClock) -> None:
    """The oldest receipts are forgotten, and left to the lease."""
    answers = Receipts(unread, most=3)
    claims = [uuid4() for _ in range(5)]
    for claim in claims:
        answers.answered(_key(), claim, WORKER, OLD)
    clock.now += GRACE_S
    assert [each.claim for each in answers.polled(WORKER, OLD)] == claims[2:]


def test_the_newest_judgements_are_remembered(clock: LoopClock) -> None:
    """A submission of work that was just judged as lost still shows that the judgement was wrong."""
    answers, keys = Receipts(unread, most=2), [_key() for _ in range(3)]
    for key in keys:
        answers.answered(key, uuid4(), WORKER, OLD)
        clock.now += GRACE_S
        assert [each.key for each in answers.polled(WORKER, OLD)] == [key]
    answers.submitted(keys[-1])
    answers.answered(_key(), uuid4(), WORKER, OLD)
    clock.now += GRACE_S
    assert answers.polled(WORKER, OLD) == []
