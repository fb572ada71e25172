"""The values and the nesting of a JSON text, known before it is parsed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.json_shape import check_shape
from core.limits import MAX_DEPTH, MAX_PAYLOAD_VALUES
from core.payload import parse_payload

VALUES = st.recursive(
    st.none() | st.integers() | st.text(st.sampled_from('ab,:[]{}"\\\n')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('a,:[{"\\'), max_size=3), inner),
)


def _count(value: Any) -> int:
    """Return how many values and names there are; an empty list counts for one value more than it has."""
    if isinstance(value, dict):
        return 1 + sum(1 + _count(each) for each in value.values()) if value else 2
    return 1 + sum(map(_count, value)) if isinstance(value, list) and value else 1 + isinstance(value, list)


def _passes(text: str, most: int) -> bool:
    try:
        check_shape(text.encode(), "x", most)
    except InvalidInput:
        return False
    return True


@given(VALUES)
def test_values_are_counted_as_a_parser_sees_them(value: Any) -> None:
    """Signs inside of strings do not count, however they are escaped."""
    text = json.dumps(value)
    assert _passes(text, _count(value))
    assert not _passes(text, _count(value) - 1)


@given(st.integers(MAX_DEPTH - 2, MAX_DEPTH + 2), st.sampled_from(['"[[["', '"\\"[[["', '"\\\\"', "1"]))
def test_nesting_is_measured_outside_of_strings(depth: int, inside: str) -> None:
    """Texts that look like brackets do not count."""
    assert _passes("[" * depth + inside + "]" * depth, MAX_PAYLOAD_VALUES) is (depth <= MAX_DEPTH)


@pytest.mark.parametrize("part", ["[],", '"",', "1,", '{"a":1},', "[[[[]]]],", '"\\\\",', '"\\"",'])
def test_a_payload_with_too_many_values_is_refused_without_being_parsed(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the values are."""
    data = ("[" + part * (2**20 // len(part) - 2) + "1]").encode()
    monkeypatch.setattr("core.payload.json", None)
    with pytest.raises(InvalidInput, match=f"input has more than {MAX_PAYLOAD_VALUES} values"):
        parse_payload(data, "input")


def test_a_large_text_of_many_signs_is_one_value() -> None:
    """A table sent as a text, for example."""
    assert parse_payload(json.dumps("1,2:[{" * 100_000).encode(), "input")
