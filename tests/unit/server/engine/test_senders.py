"""The senders of submissions: the reads that a process remembers, and connections that identify no worker."""

from __future__ import annotations

from uuid import UUID

import pytest

from server.domain.submission import Sender
from server.engine.submission.senders import UNIDENTIFIED_S, Senders
from tests.support.loop_clock import LoopClock, stopped_clock

TENANT = UUID(int=1)
WORKFLOW, OTHER = (TENANT, UUID(int=2)), (TENANT, UUID(int=3))
HOLDER, NAMESAKE = "ipv4:1 Worker:a", "ipv4:2 Worker:a"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> LoopClock:
    """A clock that stands still."""
    return stopped_clock(monkeypatch)


def test_a_sender_has_read_the_workflow_that_it_has_read() -> None:
    """No other workflow, and no other connection; a call without a connection has no sender."""
    senders = Senders()
    senders.read(WORKFLOW, HOLDER, "c1")
    assert senders.sender(WORKFLOW, HOLDER) == Sender(HOLDER, has_read=True, read_under="c1")
    assert senders.sender(OTHER, HOLDER) == Sender(HOLDER)
    assert senders.sender(WORKFLOW, NAMESAKE) == Sender(NAMESAKE)
    assert senders.sender(WORKFLOW, None) is None


def test_a_read_without_a_claim_shows_no_worker() -> None:
    """A client looks at the history."""
    senders = Senders()
    senders.read(WORKFLOW, HOLDER, None)
    senders.read(WORKFLOW, None, "c1")
    assert senders.sender(WORKFLOW, HOLDER) == Sender(HOLDER)


def test_a_failed_read_counts_only_as_the_first_one() -> None:
    """A worker that has read before goes on from that history."""
    senders = Senders()
    senders.failed_to_read(WORKFLOW, HOLDER)
    assert senders.sender(WORKFLOW, HOLDER) == Sender(HOLDER, has_read=True)
    senders.read(WORKFLOW, HOLDER, "c1")
    senders.failed_to_read(WORKFLOW, HOLDER)
    assert senders.sender(WORKFLOW, HOLDER) == Sender(HOLDER, has_read=True, read_under="c1")


@pytest.mark.parametrize(("claim", "has_submitted"), [("c1", True), ("c0", False)])
def test_a_submission_counts_for_the_claim_of_the_last_read(claim: str, has_submitted: bool) -> None:  # noqa: FBT001
    """The sender may have read under its next claim by the time the submission is recorded."""
    senders = Senders()
    senders.read(WORKFLOW, HOLDER, "c1")
    senders.submitted(WORKFLOW, HOLDER, HOLDER, claim)
    sender = senders.sender(WORKFLOW, HOLDER)
    assert sender is not None
    assert sender.has_submitted == has_submitted


def test_a_connection_whose_work_another_one_does_identifies_no_worker_if_it_calls(clock: LoopClock) -> None:
    """This holds for the whole principal, and for a time; a connection that stays silent was lost."""
    senders = Senders()
    senders.submitted(WORKFLOW, NAMESAKE, HOLDER, "c1")
    assert senders.identifies((TENANT, NAMESAKE))
    senders.called(HOLDER)
    assert not senders.identifies((TENANT, NAMESAKE))
    assert senders.sender(WORKFLOW, "ipv4:9 Worker:a") is None
    assert senders.identifies((TENANT, "ipv4:9 Worker:b"))
    assert senders.identifies((UUID(int=9), NAMESAKE))
    clock.now += UNIDENTIFIED_S + 1
    assert senders.identifies((TENANT, NAMESAKE))


def test_memory_is_bounded() -> None:
    """The oldest reads are forgotten."""
    senders = Senders(max_reads=1)
    senders.read(WORKFLOW, HOLDER, "c1")
    senders.read(OTHER, HOLDER, "c2")
    assert senders.sender(WORKFLOW, HOLDER) == Sender(HOLDER)
