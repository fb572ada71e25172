"""How much a tenant and a connection may have under way."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from core.auth import Identity, PrincipalType
from core.errors import LimitExceeded
from core.limits import MIB
from core.pacing import PACE
from server.admission import Admission
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


def _admission(**limits: int) -> Admission:
    return Admission(Limits(**limits))


def test_a_tenant_has_only_so_many_calls_under_way_on_all_connections() -> None:
    admission = _admission(calls_per_tenant=2)
    calls = [admission.call(n, 10) for n in range(3)]
    for each in calls[:2]:
        each.of(ACME)
    with pytest.raises(LimitExceeded, match="this tenant has 2 calls under way"):
        calls[2].of(ACME)
    calls[2].leave()
    for caller in (OTHER, OPERATOR):
        admission.call(9, 10).of(caller)
    calls[0].leave()
    admission.call(9, 10).of(ACME)


def test_a_connection_has_only_so_many_calls_under_way_even_before_its_caller_is_known() -> None:
    admission = _admission(calls_per_connection=1)
    first = admission.call("a", 10)
    with pytest.raises(LimitExceeded, match="this connection has 1 calls under way"):
        admission.call("a", 10)
    admission.call("b", 10)
    first.leave()
    admission.call("a", 10)


def test_bytes_are_limited_and_one_large_request_passes_alone() -> None:
    admission = _admission(bytes_per_connection=2 * MIB, bytes_per_tenant=3 * MIB)
    large = admission.call("a", 4 * MIB)
    large.of(ACME)
    with pytest.raises(LimitExceeded, match=f"this connection has {2 * MIB} bytes"):
        admission.call("a", 1)
    with pytest.raises(LimitExceeded, match=f"this tenant has {3 * MIB} bytes"):
        admission.call("b", 1).of(ACME)
    large.leave()
    admission.call("a", 2 * MIB).of(ACME)


def test_parked_polls_use_up_no_calls_and_have_a_limit_of_their_own() -> None:
    admission = _admission(calls_per_tenant=1, calls_per_connection=1, polls_per_tenant=3)
    for _ in range(3):
        admission.call("a", 10, parks=True).of(ACME)
    admission.call("a", 10).of(ACME)
    with pytest.raises(LimitExceeded, match="3 polls"):
        admission.call("a", 10, parks=True)


def test_nothing_is_remembered_of_calls_that_have_ended() -> None:
    admission = _admission(calls_per_tenant=1)
    for parks in (False, True):
        call = admission.call("a", 10, parks=parks)
        call.of(ACME)
        refused = admission.call("b", 0, parks=False)
        if not parks:
            with pytest.raises(LimitExceeded):
                refused.of(ACME)
        refused.leave()
        call.leave()
    assert not admission.tenants.loads
    assert not admission.connections.loads
