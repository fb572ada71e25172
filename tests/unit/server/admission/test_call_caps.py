"""How much a tenant and a connection may have under way."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from core.auth import Identity, PrincipalType
from core.errors import LimitExceeded
from core.limits import MIB
from core.pacing import PACE
from server.admission import call_caps
from server.admission.call_caps import CallCaps
from server.config.limits import Limits

ACME = Identity(PrincipalType.WORKER, "w", UUID(int=1))
OTHER = Identity(PrincipalType.WORKER, "w", UUID(int=2))
OPERATOR = Identity(PrincipalType.SERVICE, "operator")


@pytest.fixture(autouse=True)
def _apart() -> Iterator[None]:
    """Leave no turns behind for later tests: a call has a context of its own, these tests do not."""
    token = PACE.set(None)
    yield
    PACE.reset(token)


def _caps(**limits: int) -> CallCaps:
    return CallCaps(Limits(**limits))


def test_a_tenant_has_only_so_many_calls_under_way_on_all_connections() -> None:
    caps = _caps(calls_per_tenant=2)
    calls = [caps.add(n, 10) for n in range(3)]
    for each in calls[:2]:
        each.count_for(ACME)
    with pytest.raises(LimitExceeded, match="this tenant has 2 calls under way"):
        calls[2].count_for(ACME)
    calls[2].release()
    for caller in (OTHER, OPERATOR):
        caps.add(9, 10).count_for(caller)
    calls[0].release()
    caps.add(9, 10).count_for(ACME)


def test_a_connection_has_only_so_many_calls_under_way_even_before_its_caller_is_known() -> None:
    caps = _caps(calls_per_connection=1)
    first = caps.add("a", 10)
    with pytest.raises(LimitExceeded, match="this connection has 1 calls under way"):
        caps.add("a", 10)
    caps.add("b", 10)
    first.release()
    caps.add("a", 10)


def test_bytes_are_limited_and_one_large_request_passes_alone() -> None:
    caps = _caps(bytes_per_connection=2 * MIB, bytes_per_tenant=3 * MIB)
    large = caps.add("a", 4 * MIB)
    large.count_for(ACME)
    with pytest.raises(LimitExceeded, match=f"this connection has {2 * MIB} bytes"):
        caps.add("a", 1)
    with pytest.raises(LimitExceeded, match=f"this tenant has {3 * MIB} bytes"):
        caps.add("b", 1).count_for(ACME)
    large.release()
    caps.add("a", 2 * MIB).count_for(ACME)


def test_parked_polls_use_up_no_calls_and_have_a_limit_of_their_own() -> None:
    caps = _caps(calls_per_tenant=1, calls_per_connection=1, polls_per_tenant=3)
    for _ in range(3):
        caps.add("a", 10, parks=True).count_for(ACME)
    caps.add("a", 10).count_for(ACME)
    with pytest.raises(LimitExceeded, match="3 polls"):
        caps.add("a", 10, parks=True)


async def test_a_turn_that_does_not_come_refuses_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside another tenant's call, the second call of a tenant waits for the first, which does not end."""
    monkeypatch.setattr(call_caps, "TURN_TIMEOUT_S", 0.01)
    caps = _caps(calls_beside_others=1)
    other, first, second = (caps.add("a", 0) for _ in range(3))
    for call, caller in ((other, OTHER), (first, ACME)):
        call.count_for(caller)
        await call.take_turn()
    second.count_for(ACME)
    with pytest.raises(LimitExceeded, match="send fewer at a time"):
        await second.take_turn()
    for call in (other, first, second):
        call.release()
    assert not caps.fair_share._owners
    assert not caps.tenants.loads


def test_nothing_is_remembered_of_calls_that_have_ended() -> None:
    caps = _caps(calls_per_tenant=1)
    for parks in (False, True):
        call = caps.add("a", 10, parks=parks)
        call.count_for(ACME)
        refused = caps.add("b", 0, parks=False)
        if not parks:
            with pytest.raises(LimitExceeded):
                refused.count_for(ACME)
        refused.release()
        call.release()
    assert not caps.tenants.loads
    assert not caps.connections.loads
