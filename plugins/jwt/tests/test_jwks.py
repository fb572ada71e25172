"""Keys are fetched seldom, and once for all waiting calls; known tokens are admitted while the provider is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from plugins.jwt.domain import JwtRefused, Refusal
from plugins.jwt.jwks import Jwks
from plugins.jwt.keys import JwksError, VerificationKey, read_keys
from plugins.jwt.tests.provider import HandClock, key_of, key_set, public_jwk, usual_set
from tests.support.repetitions import times

OLD = 3600


class Source:
    """A source of keys that counts its fetches and can fail; ``gate`` holds a fetch until it is opened."""

    def __init__(self) -> None:
        self.document = usual_set()
        self.away = False
        self.fetches = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()

    async def __call__(self) -> Mapping[str, VerificationKey]:
        self.fetches += 1
        self.begun.set()
        await self.gate.wait()
        if self.away:
            raise JwksError("away")
        return read_keys(self.document)


class Bench:
    """Keys with a source and a clock of their own."""

    def __init__(self) -> None:
        self.source = Source()
        self.clock = HandClock()
        self.jwks = Jwks(self.source, timedelta(seconds=OLD), self.clock, logging.getLogger("plugins.jwt"))

    async def refusal(self, kid: str) -> Refusal:
        with pytest.raises(JwtRefused) as refused:
            await self.jwks.key(kid)
        return refused.value.refusal


async def test_the_first_call_fetches_and_the_others_do_not() -> None:
    """One fetch serves until the keys are old."""
    bench = Bench()
    for _ in range(3):
        assert (await bench.jwks.key("rsa")).algorithm == "RS256"
    bench.clock.move(OLD - 1)
    await bench.jwks.key("ec")
    assert bench.source.fetches == 1
    bench.clock.move(1)
    await bench.jwks.key("ec")
    assert bench.source.fetches == 2


async def test_unknown_ids_cannot_make_the_server_fetch() -> None:
    """However many are presented, there is one fetch a minute."""
    bench = Bench()
    for minute in range(1, 4):
        for number in range(times(200, 5000)):
            assert await bench.refusal(f"guess-{minute}-{number}") is Refusal.UNKNOWN_KEY
        assert bench.source.fetches == minute
        bench.clock.move(60)


async def test_all_who_wait_share_one_fetch() -> None:
    """A hundred calls at once, one of which goes away: one fetch, and all others get their key."""
    bench = Bench()
    bench.source.gate.clear()
    calls = [asyncio.create_task(bench.jwks.key("rsa")) for _ in range(100)]
    await bench.source.begun.wait()
    calls[0].cancel()
    bench.source.gate.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert all(isinstance(each, VerificationKey) for each in done[1:])
    assert bench.source.fetches == 1


async def test_a_new_key_is_found_and_a_removed_one_forgotten() -> None:
    """A rotation reaches the server with the first token of the new key."""
    bench = Bench()
    await bench.jwks.key("rsa")
    bench.source.document = key_set(public_jwk("RS256", key_of("RS256", 1), "rsa-2"))
    bench.clock.move(60)
    assert (await bench.jwks.key("rsa-2")).algorithm == "RS256"
    assert await bench.refusal("rsa") is Refusal.UNKNOWN_KEY


@pytest.mark.parametrize("broken", [b"", b"[]", b'{"keys": 5}', b'{"keys": []}', b"[" * 100_000, b"<html>"])
async def test_keys_stay_while_the_provider_talks_nonsense(broken: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A warning says so; what is known is used on."""
    bench = Bench()
    await bench.jwks.key("rsa")
    bench.source.document = broken
    bench.clock.move(OLD)
    assert (await bench.jwks.key("rsa")).algorithm == "RS256"
    assert bench.source.fetches == 2
    assert "stay in use" in caplog.text


async def test_calls_do_not_wait_for_a_provider_that_is_away() -> None:
    """After a failed fetch, old keys are refreshed behind the back of the calls, until one succeeds."""
    bench = Bench()
    await bench.jwks.key("rsa")
    bench.source.away = True
    bench.clock.move(OLD)
    await bench.jwks.key("rsa")
    bench.source.gate.clear()
    bench.clock.move(60)
    await asyncio.wait_for(bench.jwks.key("rsa"), 5)
    flight = bench.jwks.refresh()
    assert flight is not None
    assert not flight.done()
    bench.source.away = False
    bench.source.gate.set()
    await flight
    bench.clock.move(OLD - 1)
    await bench.jwks.key("rsa")
    assert bench.source.fetches == 3
    bench.source.document = key_set(public_jwk("ES256", key_of("ES256"), "ec"))
    bench.clock.move(1)
    assert await bench.refusal("rsa") is Refusal.UNKNOWN_KEY


async def test_without_any_keys_everything_is_refused_until_there_are_some(caplog: pytest.LogCaptureFixture) -> None:
    """The provider is asked again after ten seconds, not at every call."""
    bench = Bench()
    bench.source.away = True
    for _ in range(20):
        assert await bench.refusal("rsa") is Refusal.KEYS_AWAY
    assert bench.source.fetches == 1
    assert "JWTs are refused" in caplog.text
    bench.source.away = False
    bench.clock.move(10)
    assert (await bench.jwks.key("rsa")).algorithm == "RS256"


async def test_a_clock_that_is_set_back_makes_keys_old() -> None:
    """Keys never become fresh by themselves."""
    bench = Bench()
    await bench.jwks.key("rsa")
    bench.clock.move(-100_000)
    await bench.jwks.key("rsa")
    assert bench.source.fetches == 2


async def test_closing_ends_a_fetch_and_can_be_repeated() -> None:
    """Nothing is left running, and a call that waited is refused."""
    bench = Bench()
    await bench.jwks.close()
    bench.source.gate.clear()
    waiting = asyncio.create_task(bench.refusal("rsa"))
    await bench.source.begun.wait()
    await bench.jwks.close()
    await bench.jwks.close()
    assert await waiting is Refusal.KEYS_AWAY


UNFIT = {
    "symmetric": {"kty": "oct", "kid": "k", "k": "c2VjcmV0"},
    "for encryption": public_jwk("RS256", key_of("RS256"), "k", use="enc"),
    "for signing alone": public_jwk("RS256", key_of("RS256"), "k", key_ops=["sign"]),
    "operations of no kind": public_jwk("RS256", key_of("RS256"), "k", key_ops="verify"),
    "of another algorithm": public_jwk("RS256", key_of("RS256"), "k", alg="HS256"),
    "without an id": public_jwk("RS256", key_of("RS256"), None),
    "a number for an id": {**public_jwk("RS256", key_of("RS256"), "k"), "kid": 5},
    "private": public_jwk("RS256", key_of("RS256"), "k", d="AQAB"),
    "an exponent of one": public_jwk("RS256", key_of("RS256"), "k", e="AQ"),
    "no modulus": {"kty": "RSA", "kid": "k", "e": "AQAB"},
    "a number for a modulus": {"kty": "RSA", "kid": "k", "n": 5, "e": "AQAB"},
    "a modulus that is no base64": {"kty": "RSA", "kid": "k", "n": "a", "e": "AQAB"},
    "a short modulus": {"kty": "RSA", "kid": "k", "n": "_" * 171, "e": "AQAB"},
    "a huge modulus": {"kty": "RSA", "kid": "k", "n": "_" * 3000, "e": "AQAB"},
    "another curve": public_jwk("ES384", ec.generate_private_key(ec.SECP384R1()), "k", alg=None),
    "a point off the curve": {"kty": "EC", "kid": "k", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
    "a kind that is a list": {"kty": ["RSA"], "kid": "k"},
    "another kind": {"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": "A" * 43},
}


@pytest.mark.parametrize("case", UNFIT)
def test_unfit_keys_are_left_out(case: str) -> None:
    """Alone they are an error; beside a good one they do not disturb it."""
    with pytest.raises(JwksError, match="none of its 1 keys"):
        read_keys(key_set(UNFIT[case]))
    good = public_jwk("ES256", key_of("ES256"), "good")
    assert list(read_keys(key_set(UNFIT[case], good))) == ["good"]


def test_a_set_has_a_limit() -> None:
    """A set larger than any provider publishes is not read."""
    with pytest.raises(JwksError, match="at most 100"):
        read_keys(key_set(*[public_jwk("ES256", key_of("ES256"), str(number)) for number in range(101)]))


def test_entries_that_are_no_keys_are_passed_over() -> None:
    """A set may hold what this server does not know."""
    assert set(read_keys(usual_set().replace(b'{"keys": [', b'{"keys": [7, null, "x", [], '))) == {"rsa", "ec"}
