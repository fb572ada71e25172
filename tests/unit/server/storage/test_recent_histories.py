"""The histories in memory: a holder gets exactly the events up to its claim, or the database is asked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.payload import Json
from server.domain.submission import WorkflowStep
from server.domain.workflow import ClaimedWorkflow, NewWorkflow, WorkflowState, WorkflowStatus
from server.domain.workflow_event import Event, EventType, NewEvent
from server.storage.recent_histories import MOST_BYTES_OF_ONE, RecentHistories

TENANT, CLAIM = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOLDER = "connection/worker"


def _new(number: int, size: int = 2) -> NewWorkflow:
    started = NewEvent(EventType.WORKFLOW_STARTED, Json("1" * size))
    return NewWorkflow(TENANT, UUID(int=number), "k", "q", Json("{}"), 0, None, {}, started)


def _step(number: int, sequence: int, status: WorkflowStatus = WorkflowStatus.RUNNING) -> WorkflowStep:
    state = WorkflowState(TENANT, UUID(int=number), "k", "q", status, sequence, 0, 0)
    return WorkflowStep(state, (_event(sequence),))


def _event(sequence: int) -> Event:
    return Event(sequence, EventType.SIGNAL_RECEIVED, Json("{}"))


def _claimed(number: int, last: int) -> ClaimedWorkflow:
    return ClaimedWorkflow(TENANT, UUID(int=number), "k", "q", Json("{}"), 0, None, last, NOW, NOW, CLAIM)


def _sequences(recent: RecentHistories, number: int, reader: str | None = HOLDER) -> list[int] | None:
    taken = recent.take((TENANT, UUID(int=number)), reader)
    return None if taken is None else [event.sequence for event in taken[0]]


def _with_claim(last: int = 1, events: Sequence[int] = ()) -> RecentHistories:
    """Return the memory of a process that started workflow 1, wrote ``events`` and claimed it at ``last``."""
    recent = RecentHistories()
    recent.started([_new(1)])
    for sequence in events:
        recent.written([_step(1, sequence)])
    recent.claimed(_claimed(1, last), HOLDER)
    return recent


def test_the_holder_reads_the_history_at_its_claim_once() -> None:
    """The next read is for the events since."""
    recent = _with_claim(3, [2, 3])
    assert recent.take((TENANT, UUID(int=1)), HOLDER) is not None
    assert _sequences(recent, 1) is None


def test_the_answer_names_the_claim() -> None:
    """The server judges by it whether a submission is the holder's."""
    taken = _with_claim().take((TENANT, UUID(int=1)), HOLDER)
    assert taken is not None
    assert taken[1] == str(CLAIM)


def test_another_reader_is_not_served() -> None:
    """It may want the events since the claim, and so may a reader without a connection."""
    recent = _with_claim()
    assert _sequences(recent, 1, "another") is None
    assert _sequences(recent, 1, None) is None
    assert _sequences(recent, 1) == [1]


def test_an_event_after_the_claim_ends_it() -> None:
    """This process knows that the history is longer now."""
    recent = _with_claim()
    recent.written([_step(1, 2)])
    assert _sequences(recent, 1) is None


def test_an_ended_workflow_is_dropped() -> None:
    """Its history is read from the database."""
    recent = _with_claim()
    recent.written([_step(1, 2, WorkflowStatus.COMPLETED)])
    recent.claimed(_claimed(1, 2), HOLDER)
    assert _sequences(recent, 1) is None


def test_a_cleared_memory_serves_nothing() -> None:
    """The claims are cleared with the histories."""
    recent = _with_claim()
    recent.clear()
    assert _sequences(recent, 1) is None


def test_a_large_history_is_not_kept() -> None:
    """Neither when it begins large, nor when it grows."""
    recent = RecentHistories()
    recent.started([_new(1, MOST_BYTES_OF_ONE)])
    recent.claimed(_claimed(1, 1), HOLDER)
    assert _sequences(recent, 1) is None


def test_the_histories_that_were_not_used_for_the_longest_time_are_dropped() -> None:
    """The memory has room for two of these three."""
    recent = RecentHistories(2 * _new(1).started.size)
    recent.started([_new(1), _new(2)])
    for number in (1, 2):
        recent.claimed(_claimed(number, 1), HOLDER)
    assert _sequences(recent, 1) == [1]
    recent.started([_new(3)])
    for number in (1, 2, 3):
        recent.claimed(_claimed(number, 1), HOLDER)
    assert [_sequences(recent, number) for number in (1, 2, 3)] == [[1], None, [1]]


@given(st.lists(st.sampled_from(["here", "elsewhere", "here late", "read", "claim", "clear"]), max_size=30))
def test_a_history_is_whole_up_to_the_claim_or_is_not_served(moves: Sequence[str]) -> None:
    """However events of this process and of others, late notes, reads and claims follow each other."""
    recent, last, late = RecentHistories(), 1, list[int]()
    recent.started([_new(1)])
    for move in moves:
        if move in ("here", "elsewhere", "here late"):
            last += 1
        if move == "here":
            recent.written([_step(1, last)])
        elif move == "here late":
            late.append(last)
        elif move == "read":
            recent.read((TENANT, UUID(int=1)), [_event(each) for each in range(1, last + 1)])
        elif move == "clear":
            recent.clear()
        elif move == "claim":
            recent.claimed(_claimed(1, last), HOLDER)
            while late:
                recent.written([_step(1, late.pop())])
            assert _sequences(recent, 1) in (None, list(range(1, last + 1)))
