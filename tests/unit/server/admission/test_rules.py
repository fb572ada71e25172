"""The pure rules of admission: the tenant of a call, and the answers to errors."""

from __future__ import annotations

import logging
from uuid import UUID

import pytest

from core import errors
from core.auth import Identity, PrincipalType
from core.endpoints import Scope
from core.limits import MAX_DETAILS_BYTES
from server.admission.error_answers import STATUSES, answer_to
from server.admission.pipeline import tenant_of_call

OWN, OTHER = UUID(int=1), UUID(int=2)
MEMBER, OPERATOR = Identity(PrincipalType.USER, "m", OWN), Identity(PrincipalType.SERVICE, "o")


@pytest.mark.parametrize(
    ("scope", "named", "identity", "tenant"),
    [
        (Scope.TENANT, None, MEMBER, OWN),
        (Scope.TENANT, OTHER, MEMBER, OTHER),
        (Scope.TENANT, OTHER, OPERATOR, OTHER),
        (Scope.ANYBODY, None, OPERATOR, None),
        (Scope.ANYBODY, None, MEMBER, OWN),
        (Scope.SERVER, OTHER, MEMBER, None),
    ],
)
def test_a_call_concerns_the_named_tenant_or_else_the_callers_own(
    scope: Scope, named: UUID | None, identity: Identity, tenant: UUID | None
) -> None:
    assert tenant_of_call(scope, named, identity) == tenant


def test_a_call_of_a_tenant_needs_one() -> None:
    with pytest.raises(errors.AuthzError, match="tenant credentials are required"):
        tenant_of_call(Scope.TENANT, None, OPERATOR)


@pytest.mark.parametrize("kind", STATUSES)
def test_an_error_of_a_caller_is_answered_with_its_code_and_its_text(kind: type[errors.FlovynError]) -> None:
    """A subclass without a row has the statuses of its base class, and its own code."""

    class Derived(kind):  # type: ignore[misc, valid-type]
        code = "derived"

    answer = answer_to(kind("x" * 10_000), "GET /")
    assert (answer.http, answer.grpc) == STATUSES[kind]
    assert answer.code == kind.code
    assert len(answer.text) <= MAX_DETAILS_BYTES + 2
    derived = answer_to(Derived("text"), "GET /")
    assert (derived.http, derived.grpc, derived.code, derived.text) == (*STATUSES[kind], "derived", "text")


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), errors.StartupError("secret")])
def test_an_error_that_no_caller_can_cause_is_logged_and_not_shown(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = answer_to(error, "GET /x")
    assert (answer.http, answer.grpc, answer.code) == (500, "INTERNAL", "internal")
    assert "secret" not in answer.text
    assert "the call GET /x failed unexpectedly" in caplog.text
    assert "secret" in caplog.text
