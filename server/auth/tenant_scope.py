"""The default authorizer: callers inside their own tenant, operators on the server as a whole."""

from __future__ import annotations

from core.auth import ANONYMOUS, Action, Authorizer, AuthzContext, Decision, Role
from core.auth.context import ALLOW, deny

OF_CALLERS = frozenset({"me", "session"})
"""Resources of the caller itself: every known caller may see who it is, and open and end its sessions."""


class TenantScopeAuthorizer(Authorizer):
    """Allows calls that concern the caller's own tenant; calls that concern no tenant are for operators."""

    async def authorize(self, context: AuthzContext) -> Decision:
        """Compare the caller's tenant with the request's."""
        identity = context.identity
        if identity.role is Role.SCRAPER:
            reads = (context.action, context.resource) == (Action.VIEW, "metrics")
            return (
                ALLOW if reads and identity.tenant_id is None else deny("these credentials may only read the metrics")
            )
        if context.resource in OF_CALLERS and context.tenant_id == identity.tenant_id and identity != ANONYMOUS:
            return ALLOW
        if context.tenant_id is None:
            return ALLOW if identity.is_operator else deny("operator credentials are required for this call")
        if identity.is_operator:
            return ALLOW if context.resource == "tenant" else deny("operators have no access inside a tenant")
        return ALLOW if identity.tenant_id == context.tenant_id else deny("these credentials belong to another tenant")


class NoopAuthorizer(Authorizer):
    """Allows every call; only a configuration that names it uses it."""

    async def authorize(self, context: AuthzContext) -> Decision:
        """Allow."""
        return ALLOW
