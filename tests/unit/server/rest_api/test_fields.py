"""Parts of paths and of bodies, as the handlers get them."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput, NotFound
from server.rest_api.fields import idempotency_key, path_id, shown
from server.rest_api.path_segments import as_segment, plain


@given(st.text())
def test_a_segment_means_the_text_that_was_written(text: str) -> None:
    """Slashes and percent signs included; a segment holds no slash."""
    assert plain(as_segment(text)) == text
    assert "/" not in as_segment(text)


def test_a_path_without_a_uuid_names_nothing() -> None:
    assert path_id(str(UUID(int=7)), "task") == UUID(int=7)
    with pytest.raises(NotFound, match="there is no task 'seven'"):
        path_id("seven", "task")


@pytest.mark.parametrize(("ttl", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("7d", 604_800)])
def test_a_time_to_live_has_a_unit(ttl: str, seconds: int) -> None:
    key = idempotency_key("k", ttl)
    assert key is not None
    assert key.ttl.total_seconds() == seconds


@pytest.mark.parametrize("ttl", ["", "30", "s", "1.5h", "-1s", "1w", "30s ", "9999999999s", "\u0663s"])
def test_any_other_time_to_live_is_refused(ttl: str) -> None:
    with pytest.raises(InvalidInput):
        idempotency_key("k", ttl)
    assert idempotency_key(None, ttl) is None


def test_a_payload_that_is_not_there_is_shown_as_null() -> None:
    assert shown(None).text == "null"
