"""The default authorizer: everybody inside their own tenant, operators on the server as a whole."""

from __future__ import annotations

from core.auth import Authorizer, AuthzContext, Decision
from core.auth.context import ALLOW, deny


class TenantScopeAuthorizer(Authorizer):
    """Allows what concerns the caller's own tenant; a call that concerns none is an operator's."""

    async def authorize(self, context: AuthzContext) -> Decision:
        """Compare the caller's tenant with the request's."""
        identity = context.identity
        if context.tenant_id is None:
            return ALLOW if identity.is_operator else deny("this call needs an operator's key")
        if identity.is_operator:
            return ALLOW if context.resource == "tenant" else deny("an operator's key has no access inside a tenant")
        return ALLOW if identity.tenant_id == context.tenant_id else deny("these credentials belong to another tenant")


class NoopAuthorizer(Authorizer):
    """Allows everything; the configuration must ask for it by name."""

    async def authorize(self, context: AuthzContext) -> Decision:
        """Allow."""
        return ALLOW
