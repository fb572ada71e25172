"""The idempotency key in a header or in the metadata of a call."""

from __future__ import annotations

import pytest

from core.endpoints import LONGEST_KEY
from core.errors import InvalidInput
from server.engine.repeats import checked_key


@pytest.mark.parametrize(
    ("text", "key"),
    [("k", "k"), (" k ", "k"), ('"k"', "k"), ('"', '"'), ('"a', '"a'), ("x" * LONGEST_KEY, "x" * LONGEST_KEY)],
)
def test_a_key_is_read_without_spaces_and_quotation_marks(text: str, key: str) -> None:
    """A single quotation mark belongs to the key."""
    assert checked_key(text) == key


@pytest.mark.parametrize("text", ["", " ", '""', "x" * (LONGEST_KEY + 1), "ä", "a\tb"])
def test_other_keys_are_refused(text: str) -> None:
    """The error names the header."""
    with pytest.raises(InvalidInput, match="idempotency-key"):
        checked_key(text)
