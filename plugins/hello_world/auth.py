"""An authenticator and an authorizer, for configurations that list them by name."""

from __future__ import annotations

import hmac
from uuid import UUID

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
    Role,
)
from core.auth.context import ALLOW, deny


class VisitorAuthenticator(Authenticator):
    """Admits the holder of one key to one tenant."""

    def __init__(self, key: str, tenant_id: UUID) -> None:
        self._key = key.encode()
        self._visitor = AuthResponse(Identity(PrincipalType.USER, "hello-world:visitor", tenant_id, Role.MEMBER))

    async def authenticate(self, request: AuthRequest) -> AuthResponse:
        """Compare in constant time; whatever is not the key may be another authenticator's."""
        token = request.bearer
        if token is None or not hmac.compare_digest(token.encode(), self._key):
            return NOT_MY_KIND
        return self._visitor


class ReadOnlyAuthorizer(Authorizer):
    """Lets everybody look at their own tenant, and change nothing."""

    async def authorize(self, context: AuthzContext) -> Decision:
        """Compare the tenants, then the action."""
        if context.tenant_id is None or context.tenant_id != context.identity.tenant_id:
            return deny("these credentials belong to another tenant")
        return ALLOW if context.action is Action.VIEW else deny("this server is read-only")
