"""Codes of answers by their status."""

from __future__ import annotations

import pytest

from core.calls import OK
from server.rest_api.error_mapping import code_of_status


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, OK),
        (304, OK),
        (399, OK),
        (400, "invalid_input"),
        (404, "not_found"),
        (499, "invalid_input"),
        (500, "internal"),
        (503, "internal"),
    ],
)
def test_a_status_of_the_server_is_internal_and_one_of_the_caller_is_not(status: int, code: str) -> None:
    """Statuses from 400 are the caller's errors, from 500 the server's; a status without a code has that of its class."""
    assert code_of_status(status) == code
