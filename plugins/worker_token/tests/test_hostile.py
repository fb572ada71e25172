"""Tokens by the hundred thousand that must not admit, and what of them is seen: counts, and never a token."""

from __future__ import annotations

import asyncio
import random
import string
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from core.batching import MAX_BATCH
from core.errors import AuthError, LimitExceeded
from plugins.worker_token import outcomes
from plugins.worker_token.parts import Parts
from plugins.worker_token.tests.workbench import OLDER_KEY, USER, Bench
from tests.support.repetitions import times
from tests.support.running import TENANT

BASE62 = string.ascii_letters + string.digits
EACH = times(100, 17_000)
"""Of each of six kinds: in full, over 100,000."""

Make = Callable[[], str]


def _altered(chance: random.Random, token: str) -> str:
    """One character of the hidden part is another."""
    at = chance.randrange(16, len(token))
    other = chance.choice([each for each in BASE62 if each != token[at]])
    return token[:at] + other + token[at + 1 :]


async def _kinds(work: Bench) -> dict[str, Make]:
    """Return makers of bad tokens by the outcome that each must have, and one that the form decides."""
    chance = random.Random(7)  # noqa: S311 - guesses that can be repeated
    good, expired, revoked, rotated = [await work.create() for _ in range(4)]
    _, foreign = await work.process(secret=OLDER_KEY).service.create(USER, TENANT, "of another deployment")
    await work.parts.service.revoke(USER, TENANT, revoked[0].id)
    await work.parts.service.rotate(USER, TENANT, rotated[0].id, timedelta())
    ends = work.time.now()
    await work.execute("UPDATE p_worker_token__tokens SET expires_at = %s WHERE id = %s", ends, expired[0].id)
    return {
        "unknown": lambda: "fwt_" + "".join(chance.choices(BASE62, k=43)),
        "malformed": lambda: good[1][: chance.randrange(4, 36)] + chance.choice(["", "\x00", "é", " ", "-"]),
        "altered": lambda: chance.choice([_altered(chance, good[1]), foreign.token, good[1][:-3], good[1] + "0"]),
        "expired": lambda: expired[1],
        "revoked": lambda: revoked[1],
        "replaced": lambda: rotated[1],
    }


async def _offer(work: Bench, parts: Parts, token: str, peer: str) -> str:
    try:
        answer = await work.check(token, peer, parts)
    except (AuthError, LimitExceeded) as error:
        return "shown" if token and token in str(error) else type(error).__name__
    return "passed on" if answer.identity is None else "ADMITTED"


async def test_no_bad_token_is_admitted_and_each_kind_is_one_line(
    work: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Guessed, cut, altered, expired, revoked, replaced, another deployment's: refused, counted, and never shown."""
    parts = work.process(max_failures=0)
    kinds = await _kinds(work)
    offered: list[str] = []
    for outcome, make in kinds.items():
        tokens = [make() for _ in range(EACH)]
        offered += tokens
        answers = Counter([await _offer(work, parts, token, "192.0.2.1") for token in tokens])
        assert answers == {"AuthError": EACH}, outcome
        assert work.counted(outcome) == EACH
    parts.outcomes.report()
    assert len(parts.cache) == 0
    lines = [record.getMessage() for record in caplog.records if record.name == "plugins.worker_token"]
    expected = "worker tokens were refused: {}, {} times since the last such line (last from 192.0.2.1)"
    assert sorted(lines) == sorted(expected.format(outcome, EACH) for outcome in kinds)
    assert not [token for token in set(offered) if len(token) > 16 and token in caplog.text]


async def test_with_the_limit_the_database_is_hardly_asked(work: Bench) -> None:
    """Of all these guesses from one address, as many are looked up alone as the limit says, and the rest together."""
    parts = work.process(max_failures=10, failures_per_minute=1)
    chance = random.Random(3)  # noqa: S311 - as above
    guesses = ["fwt_" + "".join(chance.choices(BASE62, k=43)) for _ in range(EACH)]
    before = work.database.statements
    alone = [await _offer(work, parts, guess, "192.0.2.1") for guess in guesses[:10]]
    together = await asyncio.gather(*(_offer(work, parts, guess, "192.0.2.1") for guess in guesses[10:]))
    assert Counter([*alone, *together]) == {"AuthError": 10, "LimitExceeded": EACH - 10}
    assert work.database.statements <= before + 10 + EACH // MAX_BATCH + 1


async def test_the_log_has_one_line_per_kind_and_interval(work: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The first refusal is told at the next tick, the others together when the interval is over."""
    token = "fwt_" + "x" * 43
    for _ in range(3):
        await _offer(work, work.parts, token, "192.0.2.1")
        await work.parts.keeper.tick()
    assert [record.getMessage().partition(" since")[0] for record in caplog.records] == [
        "worker tokens were refused: unknown, 1 times"
    ]
    assert work.parts.checker.busy.is_set()
    work.time.advance(outcomes.LOG_EVERY_S)
    await work.parts.keeper.tick()
    assert [record.getMessage().partition(" since")[0] for record in caplog.records][1:] == [
        "worker tokens were refused: unknown, 2 times"
    ]
    assert not work.parts.checker.busy.is_set()


async def test_a_text_that_does_not_begin_like_a_token_is_left_to_others(work: Bench) -> None:
    """Static keys, JWTs and nothing at all are no failures."""
    for text in ("flovyn_sk_test_0123456789abcdef", "eyJhbGciOi.x.y", "FWT_" + "x" * 43, ""):
        assert await _offer(work, work.parts, text, "192.0.2.1") == "passed on"
    assert not work.parts.outcomes.waiting
