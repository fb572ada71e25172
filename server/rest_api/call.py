"""One REST request for the pipeline of admission: headers, the tenant in the path, and the body, which is read late.

The checks of a call may depend on its tenant, and the tenant on the caller. So all possible checks are tried one after
the other, until one of them finds a caller of a tenant to which these checks belong. A call thus has the same rights at
every path of its route, and for every spelling of the tenant in the path. A tenant is looked up only for a caller whom
some checks accept.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

import falcon.asgi

from core.auth import AuthRequest, Identity, PrincipalType, Protocol
from core.endpoints import Repeat, RestRoute
from core.errors import AuthError, AuthzError, NotFound
from core.launchers import TenantLookup
from core.tenant import Tenant, is_slug
from server.admission.pipeline import ProtocolCall, tenant_of_call
from server.auth.route_rules import TENANT_PARAMETER, RouteRules
from server.auth.sessions import BrowserSessions, Session
from server.auth.stack import OPEN, Answers, AuthStack, Checks
from server.config.path_rules import UNNAMED, Segment, names
from server.observability.calls import CallEndpoint
from server.rest_api import error_mapping
from server.rest_api.bodies import body, size_of, validated
from server.rest_api.browsers import Browsers, cookie_of
from server.rest_api.text_gate import check_head


class ServedRoute:
    """A route with all that is the same for each of its calls."""

    def __init__(self, route: RestRoute, auth: AuthStack, tenants: TenantLookup, browser_calls: BrowserCalls) -> None:
        reads = route.repeated is Repeat.READS
        self.route = route
        self.endpoint = CallEndpoint(Protocol.REST, f"{route.method} {route.path}", route.action, route.resource, reads)
        self.auth = auth
        self.tenants = tenants
        self.browser_calls = browser_calls
        self.rules: RouteRules = auth.of_route((route.path, *route.aliases))


@dataclass(frozen=True, slots=True)
class BrowserCalls:
    """The sessions of browsers, and the rules for their requests."""

    sessions: BrowserSessions
    browsers: Browsers

    async def session_of(self, request: falcon.asgi.Request) -> Session | None:
        """Return the session that the cookie of a request names; None when the request sends credentials itself.

        Raises:
            AuthzError: the request comes from a page of another site.
        """
        text = cookie_of(request) if "authorization" not in request.headers_lower else None
        session = None if text is None else await self.sessions.get(text)
        if session is not None:
            self.browsers.check_origin(request)
        return session


class RestCall(ProtocolCall):
    """A request to a route.

    Attributes:
        parameters: the parameters of the path; the tenant's is removed by ``validate``.
    """

    __slots__ = ("_named_tenant", "_request", "_served", "_session", "parameters")

    def __init__(self, served: ServedRoute, request: falcon.asgi.Request, parameters: dict[str, str]) -> None:
        super().__init__(served.endpoint, request.remote_addr or "")
        self._served = served
        self._request = request
        self._named_tenant: UUID | None = None
        self._session: Session | None = None
        self.parameters = parameters
        self.resource_id = parameters.get(served.route.resource_id) or None

    @property
    def connection(self) -> Hashable:
        """The address and the port of the client."""
        client: Hashable = self._request.scope.get("client")
        return client

    @property
    def size(self) -> int:
        """Bytes of the body, as the head of the request says."""
        return size_of(self._request)

    @property
    def headers_of_trace(self) -> Mapping[str, str]:
        """The headers."""
        headers: Mapping[str, str] = self._request.headers_lower
        return headers

    def head(self) -> AuthRequest:
        """Check the texts of the headers and of the query string."""
        request = self._request
        check_head(request)
        self.credentials = sum(name == b"authorization" for name, _ in request.scope["headers"])
        return AuthRequest(Protocol.REST, request.path, request.headers_lower, self.peer)

    async def authenticate(self, request: AuthRequest) -> tuple[Checks, Identity]:
        """Authenticate by the rules for the route and the tenant; a session is checked as its credential is.

        Raises:
            AuthError: no possible checks know the caller.
            AuthzError: the route needs a tenant, and neither the path nor the credentials name one; or a page of
                another site sent the cookie of a session.
            NotFound: the path names a tenant that does not exist, or that is not the caller's: both look the same.
        """
        auth, rules, parameters = self._served.auth, self._served.rules, self.parameters
        path = "/" + self._request.path.lstrip("/")  # as the router sees it
        possible = [OPEN] if self._served.route.is_open or auth.is_open(path) else rules.possible(parameters)
        if possible != [OPEN]:
            self._session = await self._served.browser_calls.session_of(self._request)
        if self._session is not None:
            request = replace(request, headers={**request.headers, "authorization": self._session.authorization})
        answers, refusals = Answers(), _Refusals()
        tenants = _TenantsOfCall(self._served, parameters)
        for checks in possible:
            try:
                identity = await checks.authenticate(request, answers)
            except AuthError as error:
                refusals.unknown.append(error)
                continue
            try:
                tenant_id = await tenants.of(identity)
            except (AuthzError, NotFound) as error:
                refusals.add(identity, error)
                continue
            if len(possible) == 1 or rules.of(parameters, await tenants.segment(tenant_id)) is checks:
                self._named_tenant = tenant_id
                return checks, identity
        self.known_caller = refusals.known_caller
        raise refusals.answer()

    async def find_tenant(self) -> UUID | None:
        """Return the tenant that ``authenticate`` has found."""
        return self._named_tenant

    async def validate(self) -> None:
        """Check the path, the query string and the body; put them into the context of the request.

        Raises:
            NotFound: a part of the path holds a NUL character.
            InvalidInput: the query string or the body is malformed.
            TooLarge: the body is too large.
        """
        self.parameters.pop(TENANT_PARAMETER, None)
        if any("\x00" in value for value in self.parameters.values()):
            raise NotFound("a part of the path holds a NUL character, so it names nothing")
        context, route = self._request.context, self._served.route
        context.identity = self.identity
        context.tenant_id = self.tenant_id
        context.session = self._session
        if route.query_model is not None:
            context.query = validated(route.query_model, self._request.params, "the query string")
        if route.request_model is not None:
            context.body = await body(self._request, route.request_model)

    def code_of(self, error: BaseException) -> str:
        """Return the code of an error, which may be one of falcon."""
        return error_mapping.code_of(error)


class _Refusals:
    """The reasons for which no checks admit a call.

    A known caller is told about the tenant. An anonymous caller is asked for credentials wherever that is possible:
    otherwise the answers would tell every caller which tenants exist.
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
        errors = (*self._known, *self.unknown, *self._anonymous)
        return errors[0] if errors else AuthError("the credentials are not accepted at this path")


class _TenantsOfCall:
    """The tenants of one call, each looked up once."""

    def __init__(self, served: ServedRoute, parameters: Mapping[str, str]) -> None:
        self._scope = served.route.scope
        self._lookup = served.tenants
        self._name = parameters.get(TENANT_PARAMETER)
        self._tenants: dict[UUID | str, Tenant | None] = {}

    async def of(self, identity: Identity) -> UUID | None:
        """Return the tenant that the call of this caller concerns; see ``tenant_of_call``."""
        if self._name is None:
            return tenant_of_call(self._scope, None, identity)
        tenant = await self._named(self._name)
        if tenant is None or (identity.tenant_id is not None and identity.tenant_id != tenant.id):
            raise NotFound(f"there is no tenant {self._name!r} that these credentials may see")
        return tenant_of_call(self._scope, tenant.id, identity)

    async def segment(self, tenant_id: UUID | None) -> Segment:
        """Return the names of a tenant, as a path can hold them."""
        if tenant_id is None:
            return UNNAMED
        tenant = await self._get(tenant_id)
        return names([str(tenant_id)] if tenant is None else [str(tenant_id), tenant.slug])

    async def _named(self, name: str) -> Tenant | None:
        """Return the tenant of a UUID or of a slug; no slug looks like a UUID."""
        try:
            return await self._get(UUID(name))
        except ValueError:
            return await self._get(name) if is_slug(name) else None

    async def _get(self, name: UUID | str) -> Tenant | None:
        if name not in self._tenants:
            lookup = self._lookup
            tenant = await (lookup.by_id(name) if isinstance(name, UUID) else lookup.by_slug(name))
            self._tenants[name] = tenant
            if tenant is not None:
                self._tenants |= {tenant.id: tenant, tenant.slug: tenant}
        return self._tenants[name]
