"""Applies the configured authenticators in order, then the authorizer. Fails closed everywhere."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from core.auth import ANONYMOUS, Authenticator, Authorizer, AuthRequest, AuthzContext, Identity
from core.errors import AuthError, AuthzError, FlovynError

_log = logging.getLogger(__name__)


class AuthStack:
    """The authentication and authorization of one protocol."""

    def __init__(
        self,
        authenticators: Sequence[tuple[str, Authenticator]],
        authorizer: Authorizer,
        anonymous: Identity = ANONYMOUS,
        exclude_paths: Sequence[str] = (),
    ) -> None:
        """Take the authenticators by name, in order; none at all means that everybody is ``anonymous``."""
        self._authenticators = authenticators
        self._authorizer = authorizer
        self._anonymous = anonymous
        self._exclude_paths = exclude_paths

    def is_open(self, path: str) -> bool:
        """Whether the configuration excludes the path: exactly, or below a trailing ``*``."""
        return any(path.startswith(each[:-1]) if each.endswith("*") else path == each for each in self._exclude_paths)

    async def authenticate(self, request: AuthRequest) -> Identity:
        """Return who calls.

        Raises:
            AuthError: no authenticator knows the credentials, one refuses them, or one fails.
        """
        if not self._authenticators:
            return self._anonymous
        for name, authenticator in self._authenticators:
            try:
                response = await authenticator.authenticate(request)
            except FlovynError:
                raise
            except Exception as error:
                _log.exception("authenticator %r failed; the call is refused", name)
                raise AuthError("the credentials could not be checked") from error
            if response.identity is not None:
                return response.identity
        if "authorization" in request.headers:
            raise AuthError("the credentials are not known to this server")
        raise AuthError("credentials are required: send 'authorization: Bearer <token>'")

    async def authorize(self, context: AuthzContext) -> None:
        """Return when the call is allowed.

        Raises:
            AuthzError: it is not, or the authorizer failed.
        """
        try:
            decision = await self._authorizer.authorize(context)
        except FlovynError:
            raise
        except Exception as error:
            _log.exception("the authorizer failed; the call is refused")
            raise AuthzError("whether this is allowed could not be checked") from error
        if not decision.allowed:
            raise AuthzError(decision.reason or f"{context.action} {context.resource} is not allowed")
