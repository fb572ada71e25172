"""Audit events: requests by users, stored beside the history."""

from __future__ import annotations

import json
from uuid import UUID

from server.domain.audit_event import AuditType, cancellations_requested, retry_requested
from server.domain.cancellation import ChildCancellation

TENANT, WORKFLOW, CHILD = UUID(int=1), UUID(int=2), UUID(int=3)


def test_a_retry_records_its_number_its_caller_and_its_note() -> None:
    """A missing note is left out."""
    event = retry_requested(TENANT, WORKFLOW, 2, None, "api:x")
    assert (event.workflow_id, event.type) == (WORKFLOW, AuditType.RETRY_REQUESTED)
    assert json.loads(event.data) == {"attempt": 2, "requestedBy": "api:x"}
    assert json.loads(retry_requested(TENANT, WORKFLOW, 2, "n", "api:x").data)["note"] == "n"


def test_a_cancellation_of_a_child_is_recorded_in_its_parent() -> None:
    """The parent names the child by id or by name alone."""
    children = [
        ChildCancellation(TENANT, WORKFLOW, child_id, "c", "enough", "workflow:x") for child_id in (CHILD, None)
    ]
    events = cancellations_requested(children)
    assert {event.workflow_id for event in events} == {WORKFLOW}
    assert [json.loads(event.data).get("childExecutionId") for event in events] == [str(CHILD), None]
    assert json.loads(events[0].data)["reason"] == "enough"
