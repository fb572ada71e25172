"""Encoding, chaining and cleaning, without a server."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from core.auth import Action, Identity, PrincipalType, Protocol, Role
from core.calls import Call, Outcome
from plugins.audit_log.domain import (
    NO_HASH,
    REFUSALS_CHAIN,
    SERVER_CHAIN,
    EventDraft,
    Head,
    Kind,
    chained,
    digest,
    encoded,
)
from plugins.audit_log.drafts import chain_of, clean, draft_of
from plugins.audit_log.tests.auditing import draft
from tests.support.running import OTHER_TENANT, TENANT

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - UTC is added
_DRAFTS = st.builds(
    EventDraft,
    tenant_id=st.uuids(),
    kind=st.sampled_from(Kind),
    call_id=st.uuids(),
    at=_TIMES,
    request_id=_TEXT,
    protocol=_TEXT,
    operation=_TEXT,
    action=_TEXT,
    resource=_TEXT,
    resource_id=st.none() | _TEXT,
    principal_type=st.none() | _TEXT,
    principal_id=st.none() | _TEXT,
    peer=st.none() | _TEXT,
    code=st.none() | _TEXT,
    duration_us=st.none() | st.integers(0, 2**62),
    times=st.none() | st.integers(1, 2**62),
)
OLD_HASH = "69ce26e4bc68fe95da01e900be362d8b0ea9f40229d94463bcd8f681c1be3aab"
_NUMBERS = st.integers(1, 2**62)


@given(_DRAFTS, _DRAFTS, _NUMBERS, _NUMBERS)
def test_different_events_are_encoded_differently(one: EventDraft, other: EventDraft, first: int, second: int) -> None:
    """Two encodings are equal when, and only when, the events and their numbers are."""
    assert (encoded(one, first) == encoded(other, second)) == ((one, first) == (other, second))


@given(_DRAFTS, _NUMBERS, st.data())
def test_every_field_counts(event: EventDraft, number: int, data: st.DataObject) -> None:
    """Taking one field of another event changes the encoding, unless the values are the same."""
    other = data.draw(_DRAFTS)
    name = data.draw(st.sampled_from([field.name for field in dataclasses.fields(EventDraft)]))
    changed = dataclasses.replace(event, **{name: getattr(other, name)})
    assert (encoded(event, number) == encoded(changed, number)) == (event == changed)


@given(_DRAFTS, _TEXT, _TEXT)
def test_text_cannot_move_from_one_field_to_the_next(event: EventDraft, left: str, right: str) -> None:
    """Neighbours with the same letters in all are told apart, and an absent text from an empty one."""
    one = dataclasses.replace(event, operation=left + right, action="", code=None)
    assert len({encoded(each, 1) for each in (one, dataclasses.replace(one, code=""))}) == 2
    split = dataclasses.replace(one, operation=left, action=right)
    assert (encoded(one, 1) == encoded(split, 1)) == (right == "")


def test_the_encoding_is_what_it_was() -> None:
    """Chains that exist stay verifiable: this hash never changes."""
    event = draft(1, call_id=UUID(int=7), tenant_id=UUID(int=9), peer=None)
    assert encoded(event, 3).startswith(b"flovyn audit event 1\n\x01\x00\x00\x00\x013\x01\x00\x00\x00\x10")
    assert digest(event, 3, NO_HASH).hex() == "c780ce4fc0e7c230cc788478e3d655022d5cff04981c76685608ce21d85f5920"


def test_events_are_chained() -> None:
    """Numbers go on behind the head, and every event names the hash before it."""
    head = Head(4, b"\x07" * 32)
    events = chained([draft(each) for each in range(3)], head)
    assert [each.sequence for each in events] == [5, 6, 7]
    assert [each.previous_hash for each in events] == [head.hash, events[0].hash, events[1].hash]
    assert all(each.hash == digest(each, each.sequence, each.previous_hash) for each in events)


@given(st.text(max_size=300))
def test_any_text_can_be_stored(text: str) -> None:
    """No NUL, nothing that is not UTF-8, not too long."""
    cleaned = clean(text)
    assert "\x00" not in cleaned
    assert len(cleaned) <= 255
    assert cleaned.encode().decode() == cleaned


def _call(**more: Any) -> Call:
    call = Call(uuid4(), "r", Protocol.REST, "GET /x", Action.VIEW, "x", None, None, "192.0.2.1", datetime.now(UTC))
    return dataclasses.replace(call, **more)


def test_an_event_of_one_call_has_the_hash_that_it_had_before_calls_were_counted() -> None:
    """Chains that were written by the version before stay verifiable: a known event's hash is what that one made."""
    event = draft(7, call_id=UUID(int=9))
    assert digest(event, 3, NO_HASH).hex() == OLD_HASH


def test_a_call_goes_into_the_chain_of_whom_it_concerns() -> None:
    """The tenant that the call concerns, else the caller's, else the server's; unknown callers have their own chain."""
    caller = Identity(PrincipalType.USER, "ada", TENANT)
    operator = Identity(PrincipalType.USER, "op", None, Role.OPERATOR)
    anonymous = Identity(PrincipalType.ANONYMOUS, "anonymous", TENANT)
    assert chain_of(_call()) == REFUSALS_CHAIN
    assert chain_of(_call(identity=operator)) == SERVER_CHAIN
    assert chain_of(_call(identity=anonymous)) == TENANT
    assert chain_of(_call(identity=anonymous), refused=True) == REFUSALS_CHAIN
    assert chain_of(_call(identity=caller)) == TENANT
    assert chain_of(_call(identity=caller, tenant_id=OTHER_TENANT)) == OTHER_TENANT


def test_the_address_can_be_left_out() -> None:
    """``record_peer = false`` leaves nothing of it; an unknown one is None, too."""
    outcome = Outcome("ok", 0.25, "id-1")
    made = draft_of(_call(), outcome, Kind.CALL, with_peer=True)
    assert (made.peer, made.duration_us, made.resource_id, made.code) == ("192.0.2.1", 250_000, "id-1", "ok")
    assert draft_of(_call(), outcome, Kind.CALL, with_peer=False).peer is None
    assert draft_of(_call(peer=""), outcome, Kind.CALL, with_peer=True).peer is None
