"""The contracts of authentication and authorization, shared by the server and its plugins."""

from core.auth.authenticator import NOT_MY_KIND, Authenticator, AuthResponse
from core.auth.authorizer import Authorizer
from core.auth.context import Action, AuthzContext, Decision
from core.auth.identity import ANONYMOUS, Identity, PrincipalType, Role
from core.auth.request import AuthRequest, Protocol
from core.auth.token_issuer import IssuedToken, TokenIssuer
from core.errors import AuthError, AuthzError

__all__ = [
    "ANONYMOUS",
    "NOT_MY_KIND",
    "Action",
    "AuthError",
    "AuthRequest",
    "AuthResponse",
    "Authenticator",
    "Authorizer",
    "AuthzContext",
    "AuthzError",
    "Decision",
    "Identity",
    "IssuedToken",
    "PrincipalType",
    "Protocol",
    "Role",
    "TokenIssuer",
]
