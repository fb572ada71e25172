"""Texts of errors are cut to their limit, however they are escaped."""

from __future__ import annotations

import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from core.limits import MAX_DETAILS_BYTES, shortened


@given(st.text(st.characters()).map(lambda text: text * 400) | st.text(), st.integers(100, 4000))
def test_a_shortened_text_fits_into_json_and_into_trailers(text: str, most: int) -> None:
    cut = shortened(text, most)
    assert len(json.dumps(cut)) <= most + 20
    assert len(quote(cut.encode(errors="replace"))) <= 3 * most
    assert cut == text or text.startswith(cut.removesuffix(" …"))


def test_an_ordinary_text_stays_whole() -> None:
    text = "kind has 300 characters; at most 255 are allowed. " * 40
    assert shortened(text, MAX_DETAILS_BYTES) == text
