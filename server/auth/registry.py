"""Authenticators and authorizers by name: the core's and the plugins', as the configuration lists them."""

from __future__ import annotations

from collections.abc import Mapping

from core.auth import ANONYMOUS, Authenticator, Authorizer, Identity, PrincipalType, Protocol
from core.errors import ConfigError
from server.auth.roles import RolesAuthorizer
from server.auth.stack import AuthStack
from server.auth.static_api_key import StaticApiKeyAuthenticator
from server.auth.tenant_scope import NoopAuthorizer, TenantScopeAuthorizer
from server.config.auth import Endpoint
from server.config.settings import Settings

STATIC_API_KEY = "static_api_key"


def wanted_authenticators(settings: Settings, from_plugins: tuple[str, ...]) -> dict[Protocol, tuple[str, ...]]:
    """Return the names that each protocol's calls are checked by.

    The default is static keys and all of the plugins' authenticators. Static keys always come first:
    one may look like another authenticator's token and must not be refused as a bad one of those.

    Raises:
        ConfigError: lists every name that this edition does not have.
    """
    endpoints = {Protocol.REST: settings.auth.endpoints.http, Protocol.GRPC: settings.auth.endpoints.grpc}
    known = (STATIC_API_KEY, *from_plugins)
    problems = []
    wanted = {}
    for protocol, endpoint in endpoints.items():
        names = (
            () if not settings.auth.enabled else known if endpoint.authenticators is None else endpoint.authenticators
        )
        problems += [
            f"auth.endpoints.{protocol}.authenticators: this edition has no authenticator {name!r};"
            f" it has {', '.join(known)}"
            for name in names
            if name not in known
        ]
        wanted[protocol] = tuple(sorted(dict.fromkeys(names), key=lambda name: name != STATIC_API_KEY))
    if problems:
        raise ConfigError("the configuration names what this edition lacks:\n  " + "\n  ".join(problems))
    return wanted


def build_stack(
    settings: Settings,
    protocol: Protocol,
    names: tuple[str, ...],
    plugin_authenticators: Mapping[str, Authenticator],
    plugin_authorizers: Mapping[str, Authorizer],
) -> AuthStack:
    """Return the stack of one protocol.

    Raises:
        ConfigError: the authorizer is not known.
    """
    endpoint = settings.auth.endpoints.http if protocol is Protocol.REST else settings.auth.endpoints.grpc
    static = StaticApiKeyAuthenticator(settings.auth.static_api_key.keys)
    authenticators: Mapping[str, Authenticator] = {STATIC_API_KEY: static, **plugin_authenticators}
    return AuthStack(
        [(name, authenticators[name]) for name in names],
        _authorizer(endpoint, protocol, names, plugin_authorizers),
        _anonymous(settings),
        endpoint.exclude_paths,
    )


def _authorizer(
    endpoint: Endpoint, protocol: Protocol, names: tuple[str, ...], from_plugins: Mapping[str, Authorizer]
) -> Authorizer:
    if not names:
        return NoopAuthorizer()  # nobody is known, so there is nothing to tell callers apart by
    roles, noop = RolesAuthorizer(), NoopAuthorizer()
    core = {"tenant_scope": TenantScopeAuthorizer(), "roles": roles, "cedar": roles, "noop": noop, "none": noop}
    known: dict[str, Authorizer] = {**from_plugins, **core}
    if endpoint.authorizer not in known:
        raise ConfigError(
            f"auth.endpoints.{protocol}.authorizer: this edition has no authorizer {endpoint.authorizer!r};"
            f" it has {', '.join(known)}"
        )
    return known[endpoint.authorizer]


def _anonymous(settings: Settings) -> Identity:
    """Without authentication, callers act for the one configured tenant, if there is just one."""
    if len(settings.tenants) != 1:
        return ANONYMOUS
    return Identity(PrincipalType.ANONYMOUS, ANONYMOUS.id, settings.tenants[0].id)
