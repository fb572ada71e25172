"""Fields of requests at their limits."""

from __future__ import annotations

import pytest

from core.errors import InvalidInput
from core.fields import RESERVED_METADATA_PREFIX, metadata_field, name_field, optional_text, queue_field
from core.launchers import DEFAULT_QUEUE
from core.limits import MAX_METADATA_BYTES, MAX_METADATA_KEYS, MAX_NAME, MAX_QUEUE


def test_a_name_is_required_and_bounded() -> None:
    """The longest name is accepted; the error names the field and both lengths."""
    assert name_field("x" * MAX_NAME, "kind") == "x" * MAX_NAME
    with pytest.raises(InvalidInput, match=f"kind has {MAX_NAME + 1} characters; at most {MAX_NAME} are allowed"):
        name_field("x" * (MAX_NAME + 1), "kind")
    with pytest.raises(InvalidInput, match=r"^kind is required$"):
        name_field("", "kind")
    assert optional_text("", "kind") == ""


def test_an_empty_queue_is_the_default_one() -> None:
    assert queue_field("") == DEFAULT_QUEUE
    assert queue_field("x" * MAX_QUEUE) == "x" * MAX_QUEUE
    with pytest.raises(InvalidInput, match=r"^queue has"):
        queue_field("x" * (MAX_QUEUE + 1))


def test_metadata_is_bounded_by_its_keys() -> None:
    full = {f"k{number}": "" for number in range(MAX_METADATA_KEYS)}
    assert metadata_field(full) == full
    with pytest.raises(InvalidInput, match=f"metadata has {MAX_METADATA_KEYS + 1} keys"):
        metadata_field(full | {"one more": ""})


def test_metadata_is_bounded_by_the_bytes_of_keys_and_values_together() -> None:
    """In UTF-8: a letter may take two."""
    half = MAX_METADATA_BYTES // 2 - 1
    full = {"a": "x" * half, "b": "x" * (MAX_METADATA_BYTES - half - 2)}
    assert metadata_field(full) == full
    for larger in ({**full, "a": full["a"] + "x"}, {**full, "c": ""}, {**full, "a": "ä" + full["a"][1:]}):
        with pytest.raises(InvalidInput, match=f"metadata is larger than {MAX_METADATA_BYTES} bytes"):
            metadata_field(larger)


def test_keys_of_the_server_are_reserved_in_metadata() -> None:
    """Only at the beginning of a key."""
    assert metadata_field({"x" + RESERVED_METADATA_PREFIX: ""})
    with pytest.raises(InvalidInput, match="are reserved"):
        metadata_field({RESERVED_METADATA_PREFIX: ""})
