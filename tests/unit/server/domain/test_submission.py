"""The objections to submissions: which ones are ignored, and whether their workflows are dispatched again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from server.domain.submission import (
    MAX_CONTESTED,
    Again,
    Sender,
    Submission,
    SubmissionOutcome,
    objection,
    released,
)
from server.domain.workflow import WorkflowState, WorkflowStatus

TENANT, WORKFLOW = UUID(int=1), UUID(int=2)
HOLDER, OTHER = "ipv4:1 Worker:a", "ipv4:2 Worker:a"
STATE = WorkflowState(
    TENANT, WORKFLOW, "k", "q", WorkflowStatus.RUNNING, 3, 3, 0, claim_id="c2", held_by=HOLDER, submission_digest="old"
)
READER = Sender(HOLDER, has_read=True, read_under="c2")


def _again(
    sender: Sender | None, digest: str = "new", outcome: SubmissionOutcome = SubmissionOutcome.SUSPENDED, **state: Any
) -> Again | None:
    submitted = Submission(TENANT, WORKFLOW, (), outcome, digest=digest)
    why = objection(replace(STATE, **state), submitted, sender)
    return None if why is None else why.again


def test_the_reader_of_the_history_under_the_present_claim_is_heard() -> None:
    """Over any connection of its own, and even if it repeats an earlier submission: the history has not shown it."""
    assert _again(READER) is None
    assert _again(replace(READER, held_by=OTHER)) is None
    assert _again(READER, digest="old") is None


def test_a_copy_of_a_submission_is_ignored() -> None:
    """Its sender has submitted it under this claim, and goes on."""
    assert _again(replace(READER, has_submitted=True), digest="old") is Again.NO
    assert _again(replace(READER, has_submitted=True), digest="new") is None


def test_a_holder_that_goes_on_from_an_older_history_loses_its_claim() -> None:
    """It has read under an earlier claim, so that its commands may be in the history already."""
    assert _again(Sender(HOLDER, has_read=True, read_under="c1")) is Again.NOW
    assert _again(Sender(HOLDER, has_read=True)) is Again.NOW


def test_a_holder_that_never_reads_is_heard() -> None:
    """Some workers submit without a read; the connection is enough."""
    assert _again(Sender(HOLDER)) is None


@pytest.mark.parametrize(
    ("sender", "outcome", "digest", "contested"),
    [
        (Sender(OTHER, has_read=True, read_under="c1"), SubmissionOutcome.SUSPENDED, "new", 0),
        (Sender(OTHER), SubmissionOutcome.FAILED, "new", 0),
        (Sender(OTHER), SubmissionOutcome.SUSPENDED, "old", 0),
        (Sender(OTHER), SubmissionOutcome.SUSPENDED, "new", 1),
    ],
)
def test_a_submission_of_another_worker_is_ignored(
    sender: Sender, outcome: SubmissionOutcome, digest: str, contested: int
) -> None:
    """It may be the holder's over another connection: the workflow is dispatched again if no other one comes soon."""
    assert _again(sender, digest, outcome, contested=contested) is Again.SOON


def test_a_submission_without_evidence_is_applied() -> None:
    """An unknown sender, another connection that never read, a workflow without a claim or without a holder."""
    assert _again(None) is None
    assert _again(Sender(OTHER)) is None
    assert _again(Sender(OTHER, has_read=True), claim_id=None) is None
    assert _again(Sender(OTHER, has_read=True), held_by=None) is None


@pytest.mark.parametrize(("contested", "again"), [(MAX_CONTESTED, Again.SOON), (MAX_CONTESTED + 1, None)])
def test_evidence_that_is_contested_too_often_is_dropped(contested: int, again: Again | None) -> None:
    """Otherwise a workflow might never go on."""
    assert _again(Sender(OTHER, has_read=True, read_under="c1"), contested=contested) is again


@pytest.mark.parametrize(
    ("status", "sender", "digest", "again"),
    [
        (WorkflowStatus.PENDING, READER, "new", Again.NO),
        (WorkflowStatus.COMPLETED, READER, "new", Again.NO),
        (WorkflowStatus.WAITING, READER, "new", Again.NOW),
        (WorkflowStatus.WAITING, None, "new", Again.NOW),
        (WorkflowStatus.WAITING, replace(READER, has_submitted=True), "new", Again.NO),
        (WorkflowStatus.WAITING, READER, "old", Again.NO),
    ],
)
def test_a_workflow_without_a_holder_accepts_no_submission(
    status: WorkflowStatus, sender: Sender | None, digest: str, again: Again
) -> None:
    """A WAITING one is dispatched again, unless the submission is a repetition: a copy may have suspended it."""
    assert _again(sender, digest, status=status) is again


def test_a_cancelling_workflow_has_a_holder() -> None:
    """Its submission ends it."""
    assert _again(READER, status=WorkflowStatus.CANCELLING) is None


@pytest.mark.parametrize(("before", "after"), [(0, 1), (2, 3), (-4, 1)])
def test_a_released_claim_is_counted(before: int, after: int) -> None:
    """Replays, which count below zero, are forgotten."""
    state = released(replace(STATE, contested=before)).state
    assert (state.status, state.contested) == (WorkflowStatus.PENDING, after)


def test_a_waiting_workflow_that_is_dispatched_again_counts_no_claim() -> None:
    """It has none."""
    state = released(replace(STATE, status=WorkflowStatus.WAITING)).state
    assert (state.status, state.contested) == (WorkflowStatus.PENDING, 0)
