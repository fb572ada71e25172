"""Idempotency keys of creations: their length and their time to live."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from core.errors import InvalidInput
from core.launchers import DEFAULT_KEY_TTL
from server.domain.idempotency import LONGEST_TTL, Entity, KeyHolder, checked_key, key_conflict

LONGEST_S = int(LONGEST_TTL.total_seconds())


@pytest.mark.parametrize(
    ("seconds", "ttl"), [(None, DEFAULT_KEY_TTL), (1, timedelta(seconds=1)), (LONGEST_S, LONGEST_TTL)]
)
def test_a_key_lives_from_a_second_to_thirty_days(seconds: int | None, ttl: timedelta) -> None:
    """Without a time to live, a key has the default one."""
    assert checked_key("k", seconds).ttl == ttl


@pytest.mark.parametrize(
    ("key", "seconds", "field"),
    [
        ("", None, "idempotency_key"),
        ("k" * 256, None, "idempotency_key"),
        ("k", 0, "idempotency_key_ttl_seconds"),
        ("k", LONGEST_S + 1, "idempotency_key_ttl_seconds"),
    ],
)
def test_a_key_out_of_range_is_refused_by_the_name_of_its_field(key: str, seconds: int | None, field: str) -> None:
    """The longest key has 255 characters."""
    with pytest.raises(InvalidInput, match=field):
        checked_key(key, seconds)


def test_a_conflict_names_the_entity_that_has_the_key() -> None:
    """The caller learns which key to change, and why."""
    error = key_conflict("k", KeyHolder(Entity.TASK, UUID(int=5)))
    assert "'k' belongs to the task 00000000-0000-0000-0000-000000000005" in str(error)
