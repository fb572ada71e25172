"""The authentication stack fails closed, whatever its parts do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
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
from core.errors import AuthError, AuthzError, ConfigError
from server.auth.authenticators import StaticApiKeyAuthenticator
from server.auth.registry import AuthNames, PlannedChecks, planned
from server.auth.stack import OPEN, AuthStack, Checks
from server.auth.tenant_scope import NoopAuthorizer, TenantScopeAuthorizer
from server.config.auth import StaticApiKey
from server.config.load import Sources, load
from server.config.path_rules import compiled, excluded

MINE, OTHER = UUID(int=1), UUID(int=2)
WORKER = Identity(PrincipalType.WORKER, "w", MINE)
OPERATOR = Identity(PrincipalType.USER, "op", None, Role.OPERATOR)


def _request(authorization: str | None = None) -> AuthRequest:
    headers = {} if authorization is None else {"authorization": authorization}
    return AuthRequest(Protocol.REST, "/x", headers)


class Fixed(Authenticator, Authorizer):
    """An authenticator and authorizer with one answer; an exception is raised."""

    def __init__(self, answer: AuthResponse | Decision | Exception) -> None:
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


def _stack(*answers: AuthResponse | Exception) -> Checks:
    return Checks([(str(number), Fixed(answer)) for number, answer in enumerate(answers)], NoopAuthorizer())


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


async def test_credentials_that_no_authenticator_knows_are_refused() -> None:
    """The text says whether credentials were there at all."""
    with pytest.raises(AuthError, match="are required"):
        await _stack(NOT_MY_KIND).authenticate(_request())
    with pytest.raises(AuthError, match="not known"):
        await _stack(NOT_MY_KIND).authenticate(_request("Bearer x"))


@pytest.mark.parametrize("answer", [Decision(allowed=False, reason="no"), RuntimeError("bug")])
async def test_whatever_is_not_allowed_is_refused(answer: Decision | Exception) -> None:
    """A refusal and a bug in the authorizer end the same way."""
    stack = Checks([], Fixed(answer))
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


def _chosen(stack: AuthStack, paths: Sequence[str], **names: Checks) -> list[str]:
    by_checks = {id(checks): name for name, checks in {**names, "open": OPEN}.items()}
    return [by_checks[id(stack.of(path))] for path in paths]


def test_the_open_paths_are_exact_or_below_a_star() -> None:
    """Exclusions do not match by accident."""
    stack = AuthStack(_stack(), excluded=[excluded(path) for path in ("/a", "/b/*")])
    default = stack.of("/x")
    found = _chosen(stack, ("/a", "/a/", "/ab", "/b/c", "/b"), default=default)
    assert found == ["open", "default", "default", "open", "default"]


def test_the_first_rule_that_matches_counts() -> None:
    """One star is one segment, two are any number; nothing else is special."""
    default, one, many, dot = _stack(), _stack(), _stack(), _stack()
    rules = [("/a/*/c", one), ("/a/**", many), ("/a/b/c", dot), ("/x.y", dot)]
    stack = AuthStack(default, [(compiled(path), checks) for path, checks in rules])
    paths = ("/a/b/c", "/a/b/d", "/a", "/a/b/c/d", "/ab", "/x.y", "/xzy", "/", "/a/\n/c")
    found = _chosen(stack, paths, default=default, one=one, many=many, dot=dot)
    assert found == ["one", "many", "many", "many", "default", "dot", "default", "default", "one"]


@pytest.mark.parametrize("path", ["a", "", "/a*", "/*.json", "/a/***"])
def test_a_pattern_that_would_not_do_what_it_seems_to_is_refused(path: str) -> None:
    """Stars stand for whole segments, and paths begin with a slash."""
    with pytest.raises(ConfigError):
        compiled(path)


@pytest.mark.parametrize(
    ("endpoint", "named"),
    [
        ({"authenticators": ["ldap"]}, "'ldap'"),
        ({"authorizer": "opa"}, "'opa'"),
        ({"rules": [{"path": "/a", "authenticators": ["ldap"]}]}, r"rules\[0\].*'ldap'"),
        ({"rules": [{"path": "/a", "authorizer": "opa"}]}, r"rules\[0\].*'opa'"),
    ],
)
def test_a_name_that_the_edition_lacks_is_refused_before_anything_starts(endpoint: dict[str, Any], named: str) -> None:
    """The message says where it stands and what there is."""
    settings = load(Sources({"auth": {"endpoints": {"grpc": endpoint}}}, {"DATABASE_URL": "postgres://h/d"}))
    with pytest.raises(ConfigError, match=named):
        planned(settings, AuthNames(["worker_token"], ["worker_token"]))


def test_a_rule_leaves_to_the_endpoint_what_it_does_not_say() -> None:
    """Authenticators and authorizer are inherited one by one; static keys come first in every list."""
    rules = [{"path": "/a", "authenticators": []}, {"path": "/b", "authorizer": "noop"}]
    http = {"authenticators": ["worker_token", "static_api_key"], "authorizer": "roles", "rules": rules}
    settings = load(Sources({"auth": {"endpoints": {"http": http}}}, {"DATABASE_URL": "postgres://h/d"}))
    plan = planned(settings, AuthNames(["worker_token"]))[Protocol.REST]
    both = ("static_api_key", "worker_token")
    assert plan.checks == PlannedChecks(both, "roles")
    assert plan.rules == (("/a", PlannedChecks((), "roles")), ("/b", PlannedChecks(both, "noop")))


def test_credentials_are_not_in_the_repr() -> None:
    """A request that is logged by accident shows no token."""
    assert "hunter2" not in repr(_request("Bearer hunter2"))


async def test_the_authorizer_is_asked_about_the_call_that_is_made() -> None:
    """Its context arrives as it is."""
    asked: list[AuthzContext] = []

    class Asked(Authorizer):
        async def authorize(self, context: AuthzContext) -> Decision:
            asked.append(context)
            return ALLOW

    context = AuthzContext(WORKER, Action.VIEW, "task", MINE)
    await Checks([], Asked()).authorize(context)
    assert asked == [context]


async def test_a_principal_that_cannot_be_stored_is_refused_and_its_authenticator_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The caller learns the flaw, the operator also which authenticator let it in."""
    identity = Identity(PrincipalType.USER, "a\x00", None)
    with pytest.raises(AuthError, match="principal whose id or attribute"):
        await _stack(AuthResponse(identity)).authenticate(_request("Bearer x"))
    assert "authenticator '0' returned a principal" in caplog.text
