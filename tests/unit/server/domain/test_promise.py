"""References to promises, their timeouts, and the events of their settlement."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from core.errors import InvalidInput
from core.payload import Json
from server.domain.promise import (
    LONGEST_TIMEOUT_MS,
    TIMED_OUT,
    PromiseOutcome,
    PromiseRef,
    parse_ref,
    rejected,
    resolved,
    settled_event,
    usable_timeout,
)

TENANT, ID = UUID(int=1), UUID("0b6bbd0e-4f0c-4c0e-9f1a-6f6b8a1f2c3d")


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        (str(ID), PromiseRef(TENANT, id=ID)),
        (f"{ID}:approval", PromiseRef(TENANT, workflow_id=ID, name="approval")),
        (f"{ID}/a/b:c", PromiseRef(TENANT, workflow_id=ID, name="a/b:c")),
    ],
)
def test_each_form_of_a_reference_is_read(text: str, ref: PromiseRef) -> None:
    """The first separator ends the workflow's id; the name may contain others."""
    assert parse_ref(TENANT, text) == ref


@pytest.mark.parametrize("text", ["", "approval", str(ID)[:-1], f"{ID}:", f"{ID} approval"])
def test_other_texts_are_no_references(text: str) -> None:
    """The error names the field."""
    with pytest.raises(InvalidInput, match="promise_id"):
        parse_ref(TENANT, text)


@pytest.mark.parametrize(
    ("timeout_ms", "stored"),
    [(None, None), (0, None), (-1, None), (1, 1), (LONGEST_TIMEOUT_MS + 1, LONGEST_TIMEOUT_MS)],
)
def test_a_timeout_is_positive_and_bounded(timeout_ms: int | None, stored: int | None) -> None:
    """Zero and less mean no timeout."""
    assert usable_timeout(timeout_ms) == stored


@pytest.mark.parametrize(
    ("outcome", "event", "members"),
    [
        (resolved(Json("1.10")), "PROMISE_RESOLVED", {"value": 1.1}),
        (rejected("no"), "PROMISE_REJECTED", {"error": "no"}),
        (TIMED_OUT, "PROMISE_TIMEOUT", {}),
    ],
)
def test_a_settlement_has_the_event_of_its_outcome(
    outcome: PromiseOutcome, event: str, members: dict[str, Any]
) -> None:
    """The event carries the promise's id and name, and the value or the error if there is one."""
    settled = settled_event(ID, "approval", outcome)
    assert settled.type == event
    assert json.loads(settled.data) == {"promiseId": str(ID), "promiseName": "approval", **members}
