"""Admits the callers of one route: who calls, for which tenant, and may they.

Which checks a call has to pass may depend on its tenant, and the tenant on who calls. So the checks that are possible
are tried one after the other, until one of them finds a caller of a tenant to which just these checks belong. What a
call may do is thus the same at every path of the route, and however the path names the tenant. A tenant is looked up
only for callers whom some of the checks admit.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import falcon.asgi

from core.auth import AuthRequest, AuthzContext, Identity, PrincipalType, Protocol
from core.endpoints import RestRoute, Scope
from core.errors import AuthError, AuthzError, LimitExceeded, NotFound
from core.launchers import TenantLookup
from core.tenant import Tenant, is_slug
from server.auth.route_rules import TENANT_PARAMETER
from server.auth.stack import OPEN, Answers, AuthStack, Checks, require_one_credential
from server.config.path_rules import UNNAMED, Segment, names
from server.observability.calls import WatchedCall


class Entrance:
    """What a caller of one route has to pass."""

    def __init__(self, route: RestRoute, auth: AuthStack, tenants: TenantLookup) -> None:
        """Take the route, the checks of all routes, and what finds tenants."""
        self.route = route
        self._auth = auth
        self._tenants = tenants
        self._rules = auth.of_route((route.path, *route.aliases))

    async def admitted(
        self, request: falcon.asgi.Request, parameters: Mapping[str, str], watched: WatchedCall | None
    ) -> tuple[Identity, UUID | None]:
        """Return who calls, and for which tenant; tell ``watched`` as soon as each is known.

        Raises:
            AuthError: the caller is not known.
            LimitExceeded: nor were many others from the same address.
            AuthzError: the caller may not do this.
            NotFound: the path names a tenant that does not exist, or that is not the caller's: both look the same.
        """
        asked = AuthRequest(Protocol.REST, request.path, request.headers_lower, request.remote_addr or "")
        try:
            require_one_credential(sum(name == b"authorization" for name, _ in request.scope["headers"]))
            checks, identity, tenant_id = await self._found(request, asked, parameters, watched)
        except (AuthError, LimitExceeded) as error:
            raise self._auth.refusal(asked, f"{self.route.method} {self.route.path}", error) from None
        if watched is not None:
            watched.identity, watched.tenant_id = identity, tenant_id
        await checks.authorize(AuthzContext(identity, self.route.action, self.route.resource, tenant_id))
        return identity, tenant_id

    async def _found(
        self,
        request: falcon.asgi.Request,
        asked: AuthRequest,
        parameters: Mapping[str, str],
        watched: WatchedCall | None,
    ) -> tuple[Checks, Identity, UUID | None]:
        path = "/" + request.path.lstrip("/")  # as the router sees it
        possible = [OPEN] if self._auth.is_open(path) else self._rules.possible(parameters)
        answers, refusals = Answers(), _Refusals()
        visit = _Visit(self.route, self._tenants, parameters)
        for checks in possible:
            try:
                identity = await checks.authenticate(asked, answers)
            except AuthError as error:
                refusals.unknown.append(error)
                continue
            try:
                tenant_id = await visit.tenant_of(identity)
            except (AuthzError, NotFound) as error:
                refusals.add(identity, error)
                continue
            if len(possible) == 1 or self._rules.of(parameters, await visit.segment(tenant_id)) is checks:
                return checks, identity, tenant_id
        if watched is not None:
            watched.identity = refusals.known_caller
        raise refusals.answer()


class _Refusals:
    """The reasons for which none of the checks admits a call.

    A caller who is known is told about the tenant. An anonymous one is asked for credentials wherever that is possible:
    otherwise the answers would tell everybody which tenants exist.
    """

    def __init__(self) -> None:
        self.unknown: list[Exception] = []
        self.known_caller: Identity | None = None
        self._known: list[Exception] = []
        self._anonymous: list[Exception] = []

    def add(self, identity: Identity, error: Exception) -> None:
        if identity.principal_type is PrincipalType.ANONYMOUS:
            self._anonymous.append(error)
            return
        self.known_caller = self.known_caller or identity
        self._known.append(error)

    def answer(self) -> Exception:
        found = (*self._known, *self.unknown, *self._anonymous)
        return found[0] if found else AuthError("the credentials are not accepted at this path")


class _Visit:
    """The tenants of one call, each looked up once."""

    def __init__(self, route: RestRoute, tenants: TenantLookup, parameters: Mapping[str, str]) -> None:
        self._scope = route.scope
        self._tenants = tenants
        self._name = parameters.get(TENANT_PARAMETER)
        self._known: dict[UUID | str, Tenant | None] = {}

    async def tenant_of(self, identity: Identity) -> UUID | None:
        """Return the tenant that the call concerns: the path's, or else the caller's own."""
        if self._scope is Scope.SERVER:
            return None
        if self._name is None:
            if identity.tenant_id is None and self._scope is Scope.TENANT:
                raise AuthzError("this call needs credentials of a tenant")
            return identity.tenant_id
        tenant = await self._named(self._name)
        if tenant is None or (identity.tenant_id is not None and identity.tenant_id != tenant.id):
            raise NotFound(f"there is no tenant {self._name!r} that these credentials may see")
        return tenant.id

    async def segment(self, tenant_id: UUID | None) -> Segment:
        """Return the names of a tenant, as a path can hold them."""
        if tenant_id is None:
            return UNNAMED
        tenant = await self._found(tenant_id)
        return names([str(tenant_id)] if tenant is None else [str(tenant_id), tenant.slug])

    async def _named(self, name: str) -> Tenant | None:
        """Return the tenant of a UUID or of a slug, which never look alike."""
        try:
            return await self._found(UUID(name))
        except ValueError:
            return await self._found(name) if is_slug(name) else None

    async def _found(self, name: UUID | str) -> Tenant | None:
        if name not in self._known:
            lookup = self._tenants
            tenant = await (lookup.by_id(name) if isinstance(name, UUID) else lookup.by_slug(name))
            self._known[name] = tenant
            if tenant is not None:
                self._known |= {tenant.id: tenant, tenant.slug: tenant}
        return self._known[name]
