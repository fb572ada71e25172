"""The rights of a caller: the actions that the authorizer of each route allows it."""

from __future__ import annotations

from collections import defaultdict

from core.auth import Action, AuthzContext, Identity
from core.endpoints import Scope
from core.errors import AuthzError
from core.launchers import TenantLookup
from server.auth.stack import Checks
from server.config.path_rules import UNNAMED, names
from server.rest_api.call import ServedRoute


class Rights:
    """Asks the authorizers about all routes of a process."""

    def __init__(self, tenants: TenantLookup) -> None:
        self._tenants = tenants
        self._routes: list[ServedRoute] = []

    def add(self, served: ServedRoute) -> None:
        """Add a route."""
        self._routes.append(served)

    async def of(self, identity: Identity) -> dict[str, list[Action]]:
        """Return the actions that the caller may do in its own tenant, or on the server, by the kind of resource."""
        tenant_id = identity.tenant_id
        tenant = None if tenant_id is None else await self._tenants.by_id(tenant_id)
        segment = UNNAMED if tenant is None else names([str(tenant.id), tenant.slug])
        found: dict[str, set[Action]] = defaultdict(set)
        for served in self._routes:
            concerned = None if served.route.scope is Scope.SERVER else tenant_id
            if concerned is None and served.route.scope is Scope.TENANT:
                continue
            action, resource = served.endpoint.action, served.endpoint.resource
            if action in found[resource]:
                continue
            context = AuthzContext(identity, action, resource, concerned)
            if await _allows(served.rules.of({}, segment), context):
                found[resource].add(action)
        return {resource: sorted(actions) for resource, actions in sorted(found.items()) if actions}


async def _allows(checks: Checks, context: AuthzContext) -> bool:
    try:
        await checks.authorize(context)
    except AuthzError:
        return False
    return True
