"""JSON payloads at the edge."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput, LimitExceeded
from core.limits import MAX_DEPTH, MAX_PAYLOAD_BYTES
from core.payload import NULL, dump, json_object, parse_payload


def test_empty_bytes_mean_null() -> None:
    """Clients send nothing for null."""
    assert parse_payload(b"", "input") == NULL


@pytest.mark.parametrize(
    "text",
    ["1.0", "1e300", "1e-999", "123456789012345678901234567890", '{"a": 1,  "a": 2}', '"\\u0000"', '"\\uD83D\\ude00"'],
)
def test_the_text_is_kept_as_it_was_sent(text: str) -> None:
    """Numbers, spaces and duplicates come back as they were written."""
    assert parse_payload(text.encode(), "input") == text


@pytest.mark.parametrize("data", [b"{", b"nul", b"\xff", b"NaN", b"Infinity", b"1 2", b"'a'", b"\x00", b'"\x01"'])
def test_a_text_that_is_not_json_is_refused_by_field(data: bytes) -> None:
    """The error names the field and not the value."""
    with pytest.raises(InvalidInput, match=r"^input is not valid JSON"):
        parse_payload(data, "input")


@pytest.mark.parametrize("pattern", [b"[", b'{"a":'])
def test_deep_nesting_is_refused(pattern: bytes) -> None:
    """Nesting beyond the limit is refused, however deep."""
    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(InvalidInput, match=r"nested|has more than \d+ values"):
            parse_payload(pattern * depth, "input")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": [{"b": "\\ud800"}]}', "input.a.b holds half of a character"),
        ('{"b": "\\ud800", "a": ["x", ["y"]]}', "input.b holds half of a character"),
        ('{"\\uDFFF": 1}', "a name in input holds half of a character"),
        ("[1e400]", "1e400 is out of range"),
        ('{"a": -1' + "0" * 400 + ".5}", "is out of range"),
    ],
)
def test_a_text_that_no_other_parser_takes_is_refused(text: str, reason: str) -> None:
    """Python takes it; the workers' parsers, PostgreSQL and clients of the REST API do not."""
    with pytest.raises(InvalidInput) as caught:
        parse_payload(text.encode(), "input")
    assert reason in str(caught.value)


def test_the_deepest_allowed_nesting_passes() -> None:
    """Brackets inside strings do not count."""
    text = "[" * MAX_DEPTH + '"[[[{{{\\""' + "]" * MAX_DEPTH
    assert parse_payload(text.encode(), "input") == text


def test_a_large_payload_is_refused() -> None:
    """The limit is on bytes."""
    with pytest.raises(LimitExceeded):
        parse_payload(b'"' + b"a" * MAX_PAYLOAD_BYTES + b'"', "input")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_VALUES)
def test_every_json_value_passes_unchanged(value: object) -> None:
    """JSON that Python writes is accepted and embedded without a change."""
    text = json.dumps(value)
    payload = parse_payload(text.encode(), "input")
    assert json.loads(json_object(input=payload, kind=dump("k"), absent=None)) == {
        "input": json.loads(text),
        "kind": "k",
    }


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_check(data: bytes) -> None:
    """Any bytes are refused, or are JSON to the standard library, too."""
    try:
        payload = parse_payload(data, "input")
    except InvalidInput:
        return
    json.loads(payload)
