"""Authenticators and authorizers by name: the core's and the plugins', as the configuration lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from core.auth import ANONYMOUS, Authenticator, Authorizer, Identity, PrincipalType, Protocol
from core.auth.failure_limit import FailureLimit
from core.errors import ConfigError
from server.auth.noop import NoopAuthenticator
from server.auth.roles import RolesAuthorizer
from server.auth.stack import AuthStack, Checks
from server.auth.static_api_key import StaticApiKeyAuthenticator
from server.auth.tenant_scope import NoopAuthorizer, TenantScopeAuthorizer
from server.config.auth import Endpoint
from server.config.path_rules import compiled, excluded
from server.config.settings import Settings
from server.plugin_checks.contributions import SERVER_AUTHENTICATORS, SERVER_AUTHORIZERS

STATIC_API_KEY, NOOP = SERVER_AUTHENTICATORS


@dataclass(frozen=True, slots=True)
class Known:
    """The names that this edition has, besides the core's."""

    authenticators: Sequence[str] = ()
    default_authenticators: Sequence[str] = ()
    authorizers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PlannedChecks:
    """Names of what a call has to pass."""

    authenticators: tuple[str, ...]
    authorizer: str


@dataclass(frozen=True, slots=True)
class AuthPlan:
    """What the configuration wants of one protocol, every name known to exist; patterns first match."""

    checks: PlannedChecks
    rules: tuple[tuple[str, PlannedChecks], ...] = ()

    def all_checks(self) -> Iterator[tuple[str, PlannedChecks]]:
        """Yield every set of checks with the paths that it is for."""
        yield from self.rules
        yield "everything else" if self.rules else "everything", self.checks


def planned(settings: Settings, known: Known) -> dict[Protocol, AuthPlan]:
    """Return what each protocol's calls have to pass.

    The default is static keys and what the plugins offer for it. Static keys always come first: one may look like
    another authenticator's token and must not be refused as a bad one of those.

    Raises:
        ConfigError: lists every name that this edition does not have, and every path that is none.
    """
    problems: list[str] = []
    plans = {protocol: _plan(settings, protocol, known, problems) for protocol in (Protocol.REST, Protocol.GRPC)}
    if problems:
        raise ConfigError("the configuration names what this edition lacks:\n  " + "\n  ".join(problems))
    return plans


def enabled(plans: Mapping[Protocol, AuthPlan]) -> tuple[set[str], set[str]]:
    """Return the names of all authenticators and authorizers that are used somewhere."""
    checks = [each for plan in plans.values() for _, each in plan.all_checks()]
    return {name for each in checks for name in each.authenticators}, {each.authorizer for each in checks}


def build_stack(
    settings: Settings,
    protocol: Protocol,
    plan: AuthPlan,
    plugin_authenticators: Mapping[str, Authenticator],
    plugin_authorizers: Mapping[str, Authorizer],
    *,
    guesses: FailureLimit,
) -> AuthStack:
    """Return the stack of one protocol; ``guesses`` counts unknown credentials, of all protocols together."""
    anonymous = _anonymous(settings)
    static = StaticApiKeyAuthenticator(settings.auth.static_api_key.keys)
    authenticators = {**plugin_authenticators, STATIC_API_KEY: static, NOOP: NoopAuthenticator(anonymous)}
    roles, noop = RolesAuthorizer(), NoopAuthorizer()
    core = dict(zip(SERVER_AUTHORIZERS, (TenantScopeAuthorizer(), roles, roles, noop, noop), strict=True))
    authorizers: Mapping[str, Authorizer] = {**plugin_authorizers, **core}

    @cache  # equal checks are one object: rules that ask for the same are no reason to ask twice
    def made(checks: PlannedChecks) -> Checks:
        names = checks.authenticators
        # where nobody is known, there is nothing to tell callers apart by
        authorizer = authorizers[checks.authorizer] if names else noop
        return Checks([(name, authenticators[name]) for name in names], authorizer, anonymous)

    return AuthStack(
        made(plan.checks),
        [(compiled(pattern), made(checks)) for pattern, checks in plan.rules],
        [excluded(path) for path in _endpoint(settings, protocol).exclude_paths],
        guesses,
    )


def _endpoint(settings: Settings, protocol: Protocol) -> Endpoint:
    endpoints = settings.auth.endpoints
    return endpoints.http if protocol is Protocol.REST else endpoints.grpc


def _plan(settings: Settings, protocol: Protocol, known: Known, problems: list[str]) -> AuthPlan:
    endpoint = _endpoint(settings, protocol)
    place = f"auth.endpoints.{protocol}"
    if not settings.auth.enabled:
        return AuthPlan(PlannedChecks((), endpoint.authorizer))
    default = (STATIC_API_KEY, *known.default_authenticators)
    names = _in_order(default if endpoint.authenticators is None else endpoint.authenticators)
    checks = PlannedChecks(names, endpoint.authorizer)
    problems += _unknown(place, checks, known)
    rules = []
    for index, rule in enumerate(endpoint.rules):
        given = names if rule.authenticators is None else _in_order(rule.authenticators)
        own = PlannedChecks(given, rule.authorizer or endpoint.authorizer)
        problems += _unknown(f"{place}.rules[{index}]", own, known)
        rules.append((rule.path, own))
    return AuthPlan(checks, tuple(rules))


def _in_order(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(names), key=lambda name: name != STATIC_API_KEY))


def _unknown(place: str, checks: PlannedChecks, known: Known) -> Iterator[str]:
    has = {
        "authenticator": (*SERVER_AUTHENTICATORS, *known.authenticators),
        "authorizer": (*SERVER_AUTHORIZERS, *known.authorizers),
    }
    wanted = [("authenticator", name) for name in checks.authenticators] + [("authorizer", checks.authorizer)]
    for kind, name in wanted:
        if name not in has[kind]:
            yield f"{place}: this edition has no {kind} {name!r}; it has {', '.join(has[kind])}"


def _anonymous(settings: Settings) -> Identity:
    """Without authentication, callers act for the one configured tenant, if there is just one."""
    if len(settings.tenants) != 1:
        return ANONYMOUS
    return Identity(PrincipalType.ANONYMOUS, ANONYMOUS.id, settings.tenants[0].id)
