"""The authorizer by roles; existing deployments configure it by the name ``cedar``.

The rules are those of section 6.2 of the protocol's specification: the actions of each principal in its tenant.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.auth import Action, Authorizer, AuthzContext, Decision, Identity, PrincipalType, Role
from core.auth.context import deny
from server.auth.tenant_scope import OF_CALLERS, TenantScopeAuthorizer

_ADMIN = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE, Action.VIEW, Action.EXECUTE, Action.MANAGE})
_BY_ROLE: Mapping[Role, frozenset[Action]] = {
    Role.OPERATOR: frozenset(Action),  # the scope refuses operators inside of tenants
    Role.SCRAPER: frozenset({Action.VIEW}),  # the scope refuses all but the metrics
    Role.OWNER: frozenset(Action),
    Role.ADMIN: _ADMIN,
    Role.MEMBER: frozenset({Action.VIEW}),
}
_MEMBER = frozenset(
    {
        ("workflow", Action.EXECUTE),
        ("workflow-execution", Action.UPDATE),
        ("agent", Action.EXECUTE),
        ("agent", Action.UPDATE),
    }
)
_WORKER = frozenset(
    {
        ("tenant", Action.VIEW),
        ("worker", Action.CREATE),
        ("worker", Action.HEARTBEAT),
        ("workflow", Action.EXECUTE),
        ("workflow", Action.POLL),
        ("workflow", Action.VIEW),
        ("workflow-execution", Action.UPDATE),
        ("workflow-execution", Action.VIEW),
        *(("agent", action) for action in (Action.EXECUTE, Action.POLL, Action.VIEW, Action.UPDATE)),
        *(("agent", action) for action in (Action.COMPLETE, Action.FAIL)),
        ("task-execution", Action.COMPLETE),
        ("task-execution", Action.CREATE),
        ("task-execution", Action.FAIL),
        ("task-execution", Action.HEARTBEAT),
        ("task-execution", Action.POLL),
        ("task-execution", Action.UPDATE),
        ("task-execution", Action.VIEW),
    }
)


class RolesAuthorizer(Authorizer):
    """Allows the actions of the caller's role inside the caller's own tenant."""

    def __init__(self) -> None:
        self._scope = TenantScopeAuthorizer()

    async def authorize(self, context: AuthzContext) -> Decision:
        """Allow a call that is inside of the caller's tenant and of the caller's role."""
        decision = await self._scope.authorize(context)
        allowed = context.resource in OF_CALLERS or _may(context.identity, context.resource, context.action)
        if not decision.allowed or allowed:
            return decision
        caller = context.identity.role or context.identity.principal_type
        return deny(f"{caller} may not {context.action} {context.resource}")


def _may(identity: Identity, resource: str, action: Action) -> bool:
    if identity.principal_type is PrincipalType.WORKER:
        return (resource, action) in _WORKER
    if identity.principal_type is PrincipalType.SERVICE:
        return action in _ADMIN and resource != "tenant"
    if identity.role is None:
        return False
    if identity.role is Role.MEMBER and (resource, action) in _MEMBER:
        return True
    return action in _BY_ROLE[identity.role]
