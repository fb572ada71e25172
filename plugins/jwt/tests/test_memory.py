"""The cache of verified tokens: its entries, their age, and the lines of the log."""

from __future__ import annotations

import logging
import random
from collections import Counter

import pytest

from core.auth import NOT_MY_KIND, AuthResponse, Identity, PrincipalType
from plugins.jwt.domain import JwtRefused, Refusal
from plugins.jwt.tests.provider import (
    NOW,
    USUAL,
    Checked,
    claims,
    fetched,
    key_of,
    key_set,
    public_jwk,
    signed,
    usual_set,
)
from plugins.jwt.verified import VerifiedTokens
from tests.support.repetitions import times

SECONDS = int(NOW.timestamp())
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


async def test_a_token_is_verified_once_in_a_while() -> None:
    """For thirty seconds the answer is remembered; then everything is looked at again."""
    checked, token = Checked(), signed(claims())
    for _ in range(5):
        assert (await checked(token)).identity is not None
    assert checked.tenants.asked == 1
    checked.clock.move(30)
    await checked(token)
    assert checked.tenants.asked == 2


async def test_nothing_is_remembered_beyond_its_end() -> None:
    """A token that expires soon is refused the moment that it has."""
    checked, token = Checked(clock_skew=0), signed(claims(exp=SECONDS + 10))
    await checked(token)
    checked.clock.move(9)
    await checked(token)
    checked.clock.move(1)
    with pytest.raises(JwtRefused) as refused:
        await checked(token)
    assert refused.value.refusal is Refusal.EXPIRED


async def test_a_clock_that_is_set_back_forgets() -> None:
    """Otherwise an answer could live on for as long as the clock was wrong."""
    checked, token = Checked(), signed(claims(iat=None))
    await checked(token)
    checked.clock.move(-3600)
    await checked(token)
    assert checked.tenants.asked == 2


async def test_a_key_that_was_removed_ends_its_tokens() -> None:
    """At most after the time for which answers are remembered, once the keys have been fetched again."""
    documents = [usual_set(), key_set(public_jwk("ES256", key_of("ES256"), "ec"))]
    checked, token = Checked(fetched(lambda: documents.pop(0)), jwks_max_age=60), signed(claims())
    await checked(token)
    checked.clock.move(60)
    with pytest.raises(JwtRefused) as refused:
        await checked(token)
    assert refused.value.refusal is Refusal.UNKNOWN_KEY


def test_the_memory_has_a_size() -> None:
    """The token that was not used for longest goes first."""
    memory = VerifiedTokens(size=2)
    answer = AuthResponse(Identity(PrincipalType.USER, "u"))
    for name in (b"a", b"b"):
        memory.put(name, answer, now=0, expires=100)
    assert memory.get(b"a", 1) is answer
    memory.put(b"c", answer, now=1, expires=100)
    assert [memory.get(name, 2) for name in (b"a", b"b", b"c")] == [answer, None, answer]
    assert memory.get(b"a", 30) is None
    assert len(memory) == 1


async def test_the_log_has_one_line_per_class_and_minute(caplog: pytest.LogCaptureFixture) -> None:
    """With how many there were in between, and nothing of the token."""
    checked, expired, unsigned = Checked(), signed(claims(exp=1)), signed(claims(), key=key_of("RS256", 99))
    await _refused(checked, expired, 5)
    await _refused(checked, unsigned, 5)
    checked.clock.move(60)
    await _refused(checked, expired, 1)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(": ")[2] for line in lines] == [
        "it has expired (0 more since the last such line)",
        "its signature is wrong (0 more since the last such line)",
        "it has expired (4 more since the last such line)",
    ]


async def _refused(checked: Checked, token: str, often: int) -> None:
    for _ in range(often):
        with pytest.raises(JwtRefused):
            await checked(token)


class Forger:
    """Makes tokens that must not be admitted, from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self._genuine = [signed(claims(), algorithm) for algorithm, _ in USUAL]
        self._ends = [signed(claims(exp=SECONDS - 60 - number), "ES256") for number in range(20)]
        self._foreign = [
            signed(claims(sub=f"user-{number}"), algorithm, key_of(algorithm, 99))
            for algorithm, _ in USUAL
            for number in range(10)
        ]
        self.kinds = (self._guessed, self._cut, self._altered, self._swapped, self._expired, self._of_strangers)

    def make(self) -> str:
        token = self._random.choice(self.kinds)()
        return self.make() if token in self._genuine else token

    def _guessed(self) -> str:
        return ".".join(self._text(self._random.randrange(1, 300)) for _ in range(3))

    def _cut(self) -> str:
        token = self._random.choice(self._genuine)
        begin, end = sorted(self._random.sample(range(len(token) + 1), 2))
        return token[begin:end]

    def _altered(self) -> str:
        token = self._random.choice(self._genuine)
        place = self._random.randrange(len(token))
        return token[:place] + self._text(1) + token[place + 1 :]

    def _swapped(self) -> str:
        parts = [self._random.choice([*self._genuine, *self._foreign]).split(".") for _ in range(3)]
        return ".".join(part[place] for place, part in enumerate(parts))

    def _expired(self) -> str:
        return self._random.choice(self._ends)

    def _of_strangers(self) -> str:
        return self._random.choice(self._foreign)

    def _text(self, length: int) -> str:
        return "".join(self._random.choices(LETTERS, k=length))


async def test_none_of_many_bad_tokens_is_admitted(caplog: pytest.LogCaptureFixture) -> None:
    """Guessed, cut, altered, mixed, expired and foreign ones: all refused, and the log stays short and says nothing."""
    caplog.set_level(logging.DEBUG)
    checked, forger, counted = Checked(), Forger(1), Counter[str]()
    for algorithm, _ in USUAL:
        assert (await checked(signed(claims(), algorithm))).identity is not None
    for _ in range(times(4000, 100_000)):
        token = forger.make()
        try:
            response = await checked(token)
        except JwtRefused as error:
            counted[error.refusal.name] += 1
        else:
            assert response is NOT_MY_KIND, token
            counted["not a JWT"] += 1
    assert {"MALFORMED", "SIGNATURE", "EXPIRED", "not a JWT"} <= counted.keys()
    assert len(caplog.records) == len(counted) - 1
    assert not [part for part in signed(claims()).split(".") if part in caplog.text]
    assert len(checked.authenticator._verified) == len(USUAL)
