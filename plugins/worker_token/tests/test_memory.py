"""The cache of tokens in a process: its entries, their age, and look-ups shared by concurrent checks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from core.auth import AuthError
from core.errors import Unavailable
from plugins.worker_token import cache
from plugins.worker_token.domain import WorkerToken
from plugins.worker_token.tests.workbench import USER, Bench
from tests.support.repetitions import times
from tests.support.running import TENANT

NEVER_MADE = "fwt_" + "x" * 43


async def test_a_warm_check_sends_no_statement(work: Bench) -> None:
    """A thousand checks within the time that a memory is worth are one statement; the keeper adds one per tick."""
    _, token = await work.create()
    await work.check(token)
    await work.parts.keeper.tick()
    before = work.database.statements
    for _ in range(1000):
        await work.check(token)
    assert work.database.statements == before
    for _ in range(20):
        work.time.advance(0.5)
        await work.parts.keeper.tick()
        await work.check(token)
    assert work.database.statements == before + 20


async def test_a_memory_is_worth_one_second_and_no_more(work: Bench) -> None:
    """With no keeper at all, what another process revoked admits for less than a second."""
    stored, token = await work.create()
    other = work.process()
    await work.check(token)
    await other.service.revoke(USER, TENANT, stored.id)
    work.time.advance(cache.TRUST_S - 0.001)
    await work.check(token)
    work.time.advance(0.001)
    with pytest.raises(AuthError):
        await work.check(token)
    assert work.counted("revoked") == 1


@pytest.mark.parametrize("change", ["revoke", "rotate", "delete", "expire"])
async def test_the_keeper_hears_of_every_change(work: Bench, change: str) -> None:
    """One tick after another process or hand changed a token, it is no longer remembered; others are."""
    stored, token = await work.create()
    _, kept = await work.create()
    await work.check(token)
    await work.check(kept)
    other = work.process().service
    if change == "revoke":
        await other.revoke(USER, TENANT, stored.id)
    elif change == "rotate":
        await other.rotate(USER, TENANT, stored.id, timedelta())
    elif change == "delete":
        await work.execute("DELETE FROM p_worker_token__tokens WHERE id = %s", stored.id)
    else:
        await work.execute(
            "UPDATE p_worker_token__tokens SET expires_at = %s WHERE id = %s", work.time.now(), stored.id
        )
    await work.parts.keeper.tick()
    assert len(work.parts.cache) == 1
    with pytest.raises(AuthError):
        await work.check(token)
    await work.check(kept)


async def test_an_unused_token_is_forgotten(work: Bench) -> None:
    """After cache_seconds nothing is remembered and the keeper has nothing to ask."""
    _, token = await work.create()
    await work.check(token)
    work.time.advance(5.1)
    await work.parts.keeper.tick()
    before = work.database.statements
    await work.parts.keeper.tick()
    assert (len(work.parts.cache), work.database.statements) == (0, before)
    assert not work.parts.checker.busy.is_set()


async def test_the_memory_is_bounded(work: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tokens used last are remembered, by digest; none of them stands in memory."""
    monkeypatch.setattr(cache, "MAX_REMEMBERED", 3)
    tokens = [(await work.create())[1] for _ in range(5)]
    for token in tokens:
        await work.check(token)
    assert len(work.parts.cache) == 3
    assert not [token for token in tokens if token in repr(vars(work.parts.cache))]
    before = work.database.statements
    for token in tokens[2:]:
        await work.check(token)
    assert work.database.statements == before


async def test_a_cache_of_no_seconds_asks_every_time(work: Bench) -> None:
    """0 switches the memory off."""
    parts = work.process(cache_seconds=0)
    stored, token = await work.create()
    await work.check(token, parts=parts)
    await work.parts.service.revoke(USER, TENANT, stored.id)
    with pytest.raises(AuthError):
        await work.check(token, parts=parts)
    assert len(parts.cache) == 0


async def test_without_the_database_only_remembered_tokens_are_admitted(work: Bench) -> None:
    """A remembered token works for its second; then, and for all others, the answer is UNAVAILABLE."""
    _, token = await work.create()
    _, other = await work.create()
    await work.check(token)
    work.database.away = True
    with pytest.raises(Unavailable):
        await work.check(other)
    await work.check(token)
    with pytest.raises(Unavailable):
        await work.parts.keeper.tick()
    work.time.advance(1)
    with pytest.raises(Unavailable):
        await work.check(token)
    work.database.away = False
    await work.check(token)
    assert work.counted("unavailable") == 2


async def test_concurrent_checks_of_one_token_are_one_statement(work: Bench) -> None:
    """A hundred at once ask once; a hundred of different tokens ask in a few statements."""
    _, token = await work.create()
    before = work.database.statements
    await asyncio.gather(*(work.check(token) for _ in range(100)))
    assert work.database.statements == before + 1
    tokens = [(await work.create())[1] for _ in range(100)]
    before = work.database.statements
    await asyncio.gather(*(work.check(each) for each in tokens))
    assert work.database.statements <= before + 2


async def test_a_caller_that_gives_up_ends_no_other_check(work: Bench) -> None:
    """The check that others wait for goes on when the one that began it is cancelled."""
    _, token = await work.create()
    first = asyncio.create_task(work.check(token))
    others = [asyncio.create_task(work.check(token)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    assert [answer.identity is not None for answer in await asyncio.gather(*others)] == [True] * 5
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_revoking_races_with_checking(work: Bench) -> None:
    """A check that begins after the revocation was answered is refused, whatever was under way."""
    parts = work.process(max_failures=0)
    for _ in range(times(20, 500)):
        stored, token = await work.create()
        checks = [asyncio.create_task(work.check(token, parts=parts)) for _ in range(5)]
        await asyncio.sleep(0)
        await parts.service.revoke(USER, TENANT, stored.id)
        with pytest.raises(AuthError):
            await work.check(token, parts=parts)
        await asyncio.gather(*checks, return_exceptions=True)
        with pytest.raises(AuthError):
            await work.check(token, parts=parts)


def _held_answers(work: Bench, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Hold the database's answers to look-ups; return what tells of an answer, and what lets all of them go on."""
    repository = work.parts.checker._repository
    ask, answered, go_on = repository.by_prefixes, asyncio.Event(), asyncio.Event()

    async def ask_and_wait(prefixes: Sequence[str]) -> Mapping[str, list[WorkerToken]]:
        found = await ask(prefixes)
        answered.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(repository, "by_prefixes", ask_and_wait)
    return answered, go_on


async def test_an_answer_from_before_a_revocation_is_neither_shared_nor_remembered(
    work: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database has answered a check, the token is revoked, another check begins: that one asks again."""
    stored, token = await work.create()
    answered, go_on = _held_answers(work, monkeypatch)
    early = asyncio.create_task(work.check(token))
    await answered.wait()
    await work.parts.service.revoke(USER, TENANT, stored.id)
    late = asyncio.create_task(work.check(token))
    await asyncio.sleep(0)
    go_on.set()
    assert (await early).identity is not None
    assert len(work.parts.cache) == 0
    with pytest.raises(AuthError):
        await late
    assert len(work.parts.cache) == 0


async def test_a_look_up_that_takes_long_is_not_shared_for_long(work: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revocation by another process is not hidden by a slow answer that was under way."""
    stored, token = await work.create()
    other = work.process()
    answered, go_on = _held_answers(work, monkeypatch)
    early = asyncio.create_task(work.check(token))
    await answered.wait()
    await other.service.revoke(USER, TENANT, stored.id)
    work.time.advance(cache.TRUST_S)
    late = asyncio.create_task(work.check(token))
    await asyncio.sleep(0)
    go_on.set()
    await early
    with pytest.raises(AuthError):
        await late
