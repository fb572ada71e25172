"""When a token admits: expiry, rotation of token and of secret, limits, and what is noted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from core.auth import AuthError, AuthResponse, PrincipalType
from core.errors import LimitExceeded, WrongState
from plugins.worker_token.domain import WorkerToken
from plugins.worker_token.tests.workbench import KEY, OLDER_KEY, USER, Bench
from tests.support.running import OTHER_TENANT, TENANT

NEVER_MADE = "fwt_" + "x" * 43


async def test_a_token_admits_a_worker_of_its_tenant(work: Bench) -> None:
    """The principal is named after the token's id, never the token."""
    stored, token = await work.create(OTHER_TENANT)
    identity = (await work.check(token)).identity
    assert identity is not None
    assert (identity.principal_type, identity.tenant_id) == (PrincipalType.WORKER, OTHER_TENANT)
    assert (identity.id, identity.role) == (f"worker-token:{stored.id}", None)


async def test_an_expired_token_is_refused_from_that_moment_on(work: Bench) -> None:
    """Also while it is in the cache."""
    stored, token = await work.create(expires_at=work.time.now() + timedelta(seconds=0.5))
    await work.check(token)
    work.time.advance(0.49)
    await work.check(token)
    work.time.advance(0.01)
    with pytest.raises(AuthError):
        await work.check(token)
    with pytest.raises(WrongState, match="has expired"):
        await work.parts.service.rotate(USER, TENANT, stored.id, timedelta())
    assert work.counted("expired") == 1


async def test_a_rotated_token_keeps_its_id_and_changes_its_secret(work: Bench) -> None:
    """Without an overlap the old secret ends at once, in this process also where it was remembered."""
    stored, old = await work.create(description="d")
    await work.check(old)
    after, new = await work.parts.service.rotate(USER, TENANT, stored.id, timedelta())
    assert (after.id, after.description, after.created_at) == (stored.id, "d", stored.created_at)
    assert after.token_prefix == new.prefix != stored.token_prefix
    identity = (await work.check(new.token)).identity
    assert identity is not None
    assert identity.id == f"worker-token:{stored.id}"
    with pytest.raises(AuthError):
        await work.check(old)
    assert work.counted("replaced") == 1


async def test_an_overlap_ends_by_itself(work: Bench) -> None:
    """Old and new admit side by side, then only the new; a second rotation ends the first's overlap."""
    stored, first = await work.create()
    _, second = await work.parts.service.rotate(USER, TENANT, stored.id, timedelta(seconds=60))
    await work.check(first)
    work.time.advance(59.9)
    await work.check(first)
    work.time.advance(0.1)
    with pytest.raises(AuthError):
        await work.check(first)
    _, third = await work.parts.service.rotate(USER, TENANT, stored.id, timedelta(seconds=60))
    await work.check(second.token)
    await work.parts.service.rotate(USER, TENANT, stored.id, timedelta(seconds=60))
    await work.check(third.token)
    with pytest.raises(AuthError):
        await work.check(second.token)


async def test_a_secret_is_rotated_without_making_tokens_anew(work: Bench) -> None:
    """Tokens under an older secret admit, are stored under the newest at their use, and then need it alone."""
    stored, _ = await work.create()
    older, both = work.process(secret=OLDER_KEY), work.process(previous_secrets=[OLDER_KEY])
    made = [(await older.service.create(USER, TENANT, str(n)))[1].token for n in range(3)]
    rotated, before = await older.service.create(USER, TENANT, "rotated")
    after = (await older.service.rotate(USER, TENANT, rotated.id, timedelta(hours=1)))[1]
    made += [before.token, after.token]
    for token in made:
        with pytest.raises(AuthError):
            await work.check(token)
        await work.check(token, parts=both)
    await both.keeper.tick()
    for token in made:
        await work.check(token)
    assert (await work.stored(stored.id)).token_hash == stored.token_hash
    assert both.checker.rehashes == {}


async def test_a_hash_that_changed_meanwhile_is_not_renewed(work: Bench) -> None:
    """A rotation between the check and the renewal wins."""
    older, both = work.process(secret=OLDER_KEY), work.process(previous_secrets=[OLDER_KEY])
    stored, token = await older.service.create(USER, TENANT, "x")
    await work.check(token.token, parts=both)
    await both.service.rotate(USER, TENANT, stored.id, timedelta())
    after = (await both.service.rotate(USER, TENANT, stored.id, timedelta()))[0]
    await both.keeper.tick()
    found = await work.stored(stored.id)
    assert (found.token_hash, found.previous_hash) == (after.token_hash, after.previous_hash)


async def test_of_rotations_at_once_one_wins_and_the_others_are_told(
    work: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer has a secret that is already replaced: four read the token, one rotates it."""
    stored, _ = await work.create()
    service = work.parts.service
    get, everybody = service._repository.get, asyncio.Barrier(4)

    async def get_together(tenant_id: UUID, token_id: UUID) -> WorkerToken | None:
        found = await get(tenant_id, token_id)
        if found is not None and found.rotated_at is None:
            await everybody.wait()
        return found

    monkeypatch.setattr(service._repository, "get", get_together)
    answers = await asyncio.gather(
        *(service.rotate(USER, TENANT, stored.id, timedelta()) for _ in range(4)), return_exceptions=True
    )
    made = [each for each in answers if not isinstance(each, BaseException)]
    assert len(made) == 1
    assert {type(each) for each in answers if isinstance(each, BaseException)} == {WrongState}
    await work.check(made[0][1].token)


async def test_failures_are_limited_and_successes_are_not(work: Bench) -> None:
    """Beyond the limit many unknown tokens are few statements; valid ones, new ones too, and other sources go on."""
    parts = work.process(max_failures=3, failures_per_minute=1)
    _, token = await work.create()
    _, unused = await work.create()
    await work.check(token, parts=parts)
    for _ in range(3):
        with pytest.raises(AuthError):
            await work.check(NEVER_MADE, parts=parts)
    before = work.database.statements
    guesses = [work.check(f"fwt_{number:043}", parts=parts) for number in range(50)]
    answers = await asyncio.gather(*guesses, work.check(unused, parts=parts), return_exceptions=True)
    assert [type(answer) for answer in answers] == [LimitExceeded] * 50 + [AuthResponse]
    assert work.database.statements == before + 1
    await work.check(token, parts=parts)
    with pytest.raises(AuthError):
        await work.check(NEVER_MADE, "192.0.2.2", parts=parts)
    work.time.advance(1.5)
    await work.check(token, parts=parts)  # known, though no longer trusted: looked up in spite of the limit
    work.time.advance(60)
    with pytest.raises(AuthError):
        await work.check(NEVER_MADE, parts=parts)
    assert work.counted("limited") == 50


async def test_guesses_leave_nothing_behind(work: Bench) -> None:
    """Unknown tokens are neither remembered nor kept as look-ups under way."""
    parts = work.process(max_failures=0)
    for number in range(200):
        with pytest.raises(AuthError):
            await work.check(f"fwt_{number:043}", parts=parts)
    assert (len(parts.cache), len(parts.limit), parts.checker._flights) == (0, 0, {})


async def test_a_use_is_noted_once_a_minute_off_the_call(work: Bench) -> None:
    """A check writes nothing; the keeper writes all uses in one statement; the next minute, again."""
    made = [await work.create() for _ in range(3)]
    before = work.database.statements
    for _, token in made:
        await work.check(token)
    assert work.database.statements == before + 3
    assert {(await work.stored(stored.id)).last_used_at for stored, _ in made} == {None}
    await work.parts.keeper.tick()
    first = {(await work.stored(stored.id)).last_used_at for stored, _ in made}
    assert None not in first
    assert len(first) == 1
    for _, token in made:
        await work.check(token)
    assert work.parts.checker.uses == set()
    await work.execute("UPDATE p_worker_token__tokens SET last_used_at = last_used_at - interval '2 minutes'")
    work.time.advance(61)
    await work.check(made[0][1])
    assert work.parts.checker.uses == {(TENANT, made[0][0].id)}
    await work.parts.keeper.finish()
    noted: list[UUID] = [
        row[0]
        for row in await work.execute(
            "SELECT id FROM p_worker_token__tokens WHERE last_used_at > now() - interval '1 minute'"
        )
    ]
    assert noted == [made[0][0].id]


async def test_the_key_is_that_of_the_specification(work: Bench) -> None:
    """The stored hash is HMAC-SHA256(secret, whole token), so that tokens move between servers of the protocol."""
    import hashlib
    import hmac

    stored, token = await work.create()
    assert stored.token_hash == hmac.new(KEY.encode(), token.encode(), hashlib.sha256).hexdigest()
    assert stored.token_prefix == token[:16]
