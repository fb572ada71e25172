"""Authenticators and authorizers by name, of the core and of plugins, as the configuration lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from core.auth import ANONYMOUS, Authenticator, Authorizer, Identity, PrincipalType, Protocol
from core.auth.failure_limit import FailureLimit
from core.errors import ConfigError
from server.auth.authenticators import NoopAuthenticator, StaticApiKeyAuthenticator
from server.auth.roles import RolesAuthorizer
from server.auth.stack import AuthStack, Checks
from server.auth.tenant_scope import NoopAuthorizer, TenantScopeAuthorizer
from server.config.auth import Endpoint
from server.config.path_rules import compiled, excluded
from server.config.settings import Settings
from server.plugin_checks.contributions import SERVER_AUTHENTICATORS, SERVER_AUTHORIZERS

STATIC_API_KEY, NOOP = SERVER_AUTHENTICATORS


@dataclass(frozen=True, slots=True)
class AuthNames:
    """The names that the plugins of this edition add to those of the core."""

    authenticators: Sequence[str] = ()
    default_authenticators: Sequence[str] = ()
    authorizers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PlannedChecks:
    """The names of the authenticators and the authorizer of a call."""

    authenticators: tuple[str, ...]
    authorizer: str


@dataclass(frozen=True, slots=True)
class AuthPlan:
    """The configured checks of one protocol; every name exists, and the first rule whose pattern matches counts."""

    checks: PlannedChecks
    rules: tuple[tuple[str, PlannedChecks], ...] = ()

    def all_checks(self) -> Iterator[tuple[str, PlannedChecks]]:
        """Yield each set of checks with its paths."""
        yield from self.rules
        yield "everything else" if self.rules else "everything", self.checks


def planned(settings: Settings, known: AuthNames) -> dict[Protocol, AuthPlan]:
    """Return the checks of the calls of each protocol.

    The default is static keys and the default authenticators of plugins. Static keys always come first: a key may look
    like a token of another authenticator, which would refuse it.

    Raises:
        ConfigError: the configuration names authenticators or authorizers that this edition lacks; all are listed.
    """
    problems: list[str] = []
    plans = {protocol: _plan(settings, protocol, known, problems) for protocol in (Protocol.REST, Protocol.GRPC)}
    if problems:
        raise ConfigError("the configuration names what this edition lacks:\n  " + "\n  ".join(problems))
    return plans


def enabled(plans: Mapping[Protocol, AuthPlan]) -> tuple[set[str], set[str]]:
    """Return the names of all authenticators and of all authorizers that some checks use."""
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
    """Return the stack of one protocol; ``guesses`` counts unknown credentials of all protocols together."""
    anonymous = _anonymous(settings)
    static = StaticApiKeyAuthenticator(settings.auth.static_api_key.keys)
    authenticators = {**plugin_authenticators, STATIC_API_KEY: static, NOOP: NoopAuthenticator(anonymous)}
    roles, noop = RolesAuthorizer(), NoopAuthorizer()
    core = dict(zip(SERVER_AUTHORIZERS, (TenantScopeAuthorizer(), roles, roles, noop, noop), strict=True))
    authorizers: Mapping[str, Authorizer] = {**plugin_authorizers, **core}

    @cache  # equal checks are one object, so that a call asks them once
    def checks_of(checks: PlannedChecks) -> Checks:
        names = checks.authenticators
        # without authentication all callers are the same, so no authorizer can tell them apart
        authorizer = authorizers[checks.authorizer] if names else noop
        return Checks([(name, authenticators[name]) for name in names], authorizer, anonymous)

    return AuthStack(
        checks_of(plan.checks),
        [(compiled(pattern), checks_of(checks)) for pattern, checks in plan.rules],
        [excluded(path) for path in _endpoint(settings, protocol).exclude_paths],
        guesses,
    )


def _endpoint(settings: Settings, protocol: Protocol) -> Endpoint:
    endpoints = settings.auth.endpoints
    return endpoints.http if protocol is Protocol.REST else endpoints.grpc


def _plan(settings: Settings, protocol: Protocol, known: AuthNames, problems: list[str]) -> AuthPlan:
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
        own_names = names if rule.authenticators is None else _in_order(rule.authenticators)
        own = PlannedChecks(own_names, rule.authorizer or endpoint.authorizer)
        problems += _unknown(f"{place}.rules[{index}]", own, known)
        rules.append((rule.path, own))
    return AuthPlan(checks, tuple(rules))


def _in_order(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(names), key=lambda name: name != STATIC_API_KEY))


def _unknown(place: str, checks: PlannedChecks, known: AuthNames) -> Iterator[str]:
    existing = {
        "authenticator": (*SERVER_AUTHENTICATORS, *known.authenticators),
        "authorizer": (*SERVER_AUTHORIZERS, *known.authorizers),
    }
    named = [("authenticator", name) for name in checks.authenticators] + [("authorizer", checks.authorizer)]
    for kind, name in named:
        if name not in existing[kind]:
            yield f"{place}: this edition has no {kind} {name!r}; it has {', '.join(existing[kind])}"


def _anonymous(settings: Settings) -> Identity:
    """Return the principal of unauthenticated callers; it belongs to the configured tenant if there is just one."""
    if len(settings.tenants) != 1:
        return ANONYMOUS
    return Identity(PrincipalType.ANONYMOUS, ANONYMOUS.id, settings.tenants[0].id)
