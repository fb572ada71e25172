"""Texts of JSON documents: every spelling of numbers and characters, spaces, names that repeat."""

from __future__ import annotations

from hypothesis import strategies as st

_spaces = st.text(alphabet=" \t\n\r", max_size=2)
_digits = st.text(alphabet="0123456789", min_size=1, max_size=25)
_whole = st.one_of(st.just("0"), st.builds(lambda first, rest: first + rest, st.sampled_from("123456789"), _digits))
_numbers = st.builds(
    lambda sign, whole, fraction, exponent: sign + whole + fraction + exponent,
    st.sampled_from(["", "-"]),
    _whole,
    st.one_of(st.just(""), _digits.map(lambda digits: "." + digits)),
    st.one_of(
        st.just(""), st.builds(lambda e, n: e + str(n), st.sampled_from(["e", "E", "e+", "E-"]), st.integers(0, 250))
    ),
)
_parts = st.one_of(
    st.sampled_from(["\\n", "\\/", "\\\\", '\\"', "\\u00e4", "\\u0000", "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\u2028"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"\\', min_codepoint=0x20), max_size=4),
)
_strings = st.lists(_parts, max_size=4).map(lambda parts: '"' + "".join(parts) + '"')


def _joined(begin: str, end: str, parts: list[str], space: str) -> str:
    return begin + space + f"{space},{space}".join(parts) + space + end


_TEXTS = st.recursive(
    st.one_of(
        _numbers, _strings, st.sampled_from(["null", "true", "false", "1.10", "1e2", "12345678901234567890.123"])
    ),
    lambda inner: st.one_of(
        st.builds(_joined, st.just("["), st.just("]"), st.lists(inner, max_size=3), _spaces),
        st.builds(
            _joined,
            st.just("{"),
            st.just("}"),
            st.lists(
                st.builds(lambda name, space, value: name + space + ":" + value, _strings, _spaces, inner), max_size=3
            ),
            _spaces,
        ),
    ),
    max_leaves=8,
)


def json_texts() -> st.SearchStrategy[str]:
    """Return a strategy of texts of valid documents, with numbers within the range of a float."""
    return _TEXTS
