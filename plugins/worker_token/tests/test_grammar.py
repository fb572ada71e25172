"""The form of tokens, and texts that are refused by their form."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from plugins.worker_token.domain import PREFIX_LENGTH
from plugins.worker_token.grammar import LONGEST, RANDOM_LENGTH, SHORTEST, TokenGrammar
from plugins.worker_token.hashing import TokenHasher
from plugins.worker_token.service import TOKEN_PREFIX

BASE62 = string.ascii_letters + string.digits
PREFIXES = st.from_regex(r"[a-z][a-z0-9]{0,7}_", fullmatch=True)


@given(PREFIXES)
def test_a_made_token_is_recognized(prefix: str) -> None:
    """Every new token fits, has 43 letters and digits, and shows its first 16 characters."""
    grammar = TokenGrammar(prefix)
    made = grammar.generate()
    assert grammar.is_token(made.token)
    assert grammar.fits(made.token)
    assert made.prefix == made.token[:PREFIX_LENGTH]
    assert set(made.token.removeprefix(prefix)) <= set(BASE62)
    assert len(made.token) == len(prefix) + RANDOM_LENGTH
    assert made.token not in repr(made)


@given(st.text())
def test_only_the_form_fits(text: str) -> None:
    """Any other text is refused by its looks, before anything is asked; so is any with something around it."""
    grammar = TokenGrammar(TOKEN_PREFIX)
    rest = text.removeprefix(TOKEN_PREFIX)
    expected = text.startswith(TOKEN_PREFIX) and SHORTEST <= len(rest) <= LONGEST and set(rest) <= set(BASE62)
    assert grammar.fits(text) is expected
    made = grammar.generate().token
    assert not text or set(text) <= set(BASE62) or not grammar.fits(made + text)


@given(st.text(BASE62, min_size=0, max_size=140))
def test_the_length_has_bounds(rest: str) -> None:
    """From 32 to 128 letters and digits, as other servers of the protocol may have made."""
    assert TokenGrammar(TOKEN_PREFIX).fits(TOKEN_PREFIX + rest) is (SHORTEST <= len(rest) <= LONGEST)


def test_new_tokens_differ() -> None:
    """A thousand of them have a thousand prefixes."""
    grammar = TokenGrammar(TOKEN_PREFIX)
    assert len({grammar.generate().prefix for _ in range(1000)}) == 1000


@given(st.binary(min_size=32, max_size=64), st.text(BASE62, min_size=32, max_size=43))
def test_without_a_candidate_nothing_matches(key: bytes, rest: str) -> None:
    """The work is done against a hash that stands for none, and is no match whatever comes out."""
    assert TokenHasher([key]).match(TOKEN_PREFIX + rest, ()) is None
