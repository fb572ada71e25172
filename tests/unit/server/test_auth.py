"""The authentication stack fails closed, whatever its parts do."""

from __future__ import annotations

from uuid import UUID

import pytest

from core.auth import (
    NOT_MY_KIND,
    Action,
    Authenticator,
    Authorizer,
    AuthRequest,
    AuthResponse,
    AuthzContext,
    Decision,
    Identity,
    PrincipalType,
    Protocol,
    Role,
)
from core.auth.context import ALLOW
from core.errors import AuthError, AuthzError
from server.auth.stack import AuthStack
from server.auth.static_api_key import StaticApiKeyAuthenticator
from server.auth.tenant_scope import NoopAuthorizer, TenantScopeAuthorizer
from server.config.auth import StaticApiKey

MINE, OTHER = UUID(int=1), UUID(int=2)
WORKER = Identity(PrincipalType.WORKER, "w", MINE)
OPERATOR = Identity(PrincipalType.USER, "op", None, Role.OPERATOR)


def _request(authorization: str | None = None) -> AuthRequest:
    headers = {} if authorization is None else {"authorization": authorization}
    return AuthRequest(Protocol.REST, "/x", headers)


class Fixed(Authenticator, Authorizer):
    """Answers the same every time, or raises it."""

    def __init__(self, answer: AuthResponse | Decision | Exception) -> None:
        """Take the answer."""
        self._answer = answer

    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Answer."""
        if isinstance(self._answer, Exception):
            raise self._answer
        assert isinstance(self._answer, AuthResponse)
        return self._answer

    async def authorize(self, context: AuthzContext) -> Decision:
        """Answer."""
        if isinstance(self._answer, Exception):
            raise self._answer
        assert isinstance(self._answer, Decision)
        return self._answer


def _stack(*answers: AuthResponse | Exception) -> AuthStack:
    return AuthStack([(str(number), Fixed(answer)) for number, answer in enumerate(answers)], NoopAuthorizer())


async def test_the_first_that_knows_the_credentials_decides() -> None:
    """'Not my kind' goes on to the next."""
    assert await _stack(NOT_MY_KIND, AuthResponse(WORKER), AuthError("no")).authenticate(_request()) is WORKER


async def test_a_refusal_stops() -> None:
    """Wrong credentials are not offered to the next authenticator."""
    with pytest.raises(AuthError, match="bad token"):
        await _stack(AuthError("bad token"), AuthResponse(WORKER)).authenticate(_request())


async def test_a_failing_authenticator_stops() -> None:
    """A bug is a refusal, not a way through."""
    with pytest.raises(AuthError, match="could not be checked"):
        await _stack(RuntimeError("bug"), AuthResponse(WORKER)).authenticate(_request())


async def test_nobody_knowing_the_credentials_is_a_refusal() -> None:
    """The text says whether credentials were there at all."""
    with pytest.raises(AuthError, match="are required"):
        await _stack(NOT_MY_KIND).authenticate(_request())
    with pytest.raises(AuthError, match="not known"):
        await _stack(NOT_MY_KIND).authenticate(_request("Bearer x"))


@pytest.mark.parametrize("answer", [Decision(allowed=False, reason="no"), RuntimeError("bug")])
async def test_whatever_is_not_allowed_is_refused(answer: Decision | Exception) -> None:
    """A refusal and a bug in the authorizer end the same way."""
    stack = AuthStack([], Fixed(answer))
    with pytest.raises(AuthzError):
        await stack.authorize(AuthzContext(WORKER, Action.VIEW, "workflow", MINE))


@pytest.mark.parametrize(
    ("identity", "resource", "tenant", "allowed"),
    [
        (WORKER, "workflow", MINE, True),
        (WORKER, "workflow", OTHER, False),
        (WORKER, "tenant", None, False),
        (OPERATOR, "tenant", None, True),
        (OPERATOR, "tenant", MINE, True),
        (OPERATOR, "workflow", MINE, False),
        (Identity(PrincipalType.ANONYMOUS, "a"), "workflow", MINE, False),
        (Identity(PrincipalType.ANONYMOUS, "a"), "tenant", None, False),
    ],
)
async def test_tenant_scope(identity: Identity, resource: str, tenant: UUID | None, allowed: bool) -> None:  # noqa: FBT001
    """Everybody inside their own tenant; operators on tenants and the server, nothing inside."""
    decision = await TenantScopeAuthorizer().authorize(AuthzContext(identity, Action.VIEW, resource, tenant))
    assert decision.allowed is allowed
    assert decision == ALLOW or decision.reason


@pytest.mark.parametrize(
    ("authorization", "known"),
    [
        ("Bearer fwt_0123456789abcdef", True),
        ("bearer   fwt_0123456789abcdef", True),
        ("Bearer fwt_0123456789abcdeF", False),
        ("Basic fwt_0123456789abcdef", False),
        ("Bearer ", False),
        ("fwt_0123456789abcdef", False),
        (None, False),
    ],
)
async def test_static_keys_match_exactly(authorization: str | None, known: bool) -> None:  # noqa: FBT001
    """The scheme is case-insensitive, the key is not, and any prefix is allowed."""
    key = StaticApiKey.model_validate({"key": "fwt_0123456789abcdef", "tenant_id": str(MINE), "principal_id": "k"})
    response = await StaticApiKeyAuthenticator([key]).authenticate(_request(authorization))
    assert (response.identity is not None) is known


def test_the_open_paths_are_exact_or_below_a_star() -> None:
    """Exclusions do not match by accident."""
    stack = AuthStack([], NoopAuthorizer(), exclude_paths=("/a", "/b/*"))
    assert [stack.is_open(path) for path in ("/a", "/a/", "/ab", "/b/c", "/b")] == [True, False, False, True, False]


def test_credentials_are_not_in_the_repr() -> None:
    """A request that is logged by accident shows no token."""
    assert "hunter2" not in repr(_request("Bearer hunter2"))
