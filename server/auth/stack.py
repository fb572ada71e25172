"""Applies the configured authenticators in order, then the authorizer. Fails closed everywhere."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from core.auth import ANONYMOUS, Authenticator, Authorizer, AuthRequest, AuthzContext, Identity
from core.errors import AuthError, AuthzError, FlovynError
from server.auth.tenant_scope import NoopAuthorizer

_log = logging.getLogger(__name__)


class Checks:
    """What a call has to pass: authenticators by name, in order, and an authorizer."""

    def __init__(
        self,
        authenticators: Sequence[tuple[str, Authenticator]],
        authorizer: Authorizer,
        anonymous: Identity = ANONYMOUS,
    ) -> None:
        """Take the authenticators; none at all means that everybody is ``anonymous``."""
        self._authenticators = authenticators
        self._authorizer = authorizer
        self._anonymous = anonymous

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


OPEN = Checks([], NoopAuthorizer())
"""What a call to an excluded path has to pass: nothing."""


class AuthStack:
    """The checks of one protocol, by path."""

    def __init__(
        self,
        checks: Checks,
        rules: Sequence[tuple[re.Pattern[str], Checks]] = (),
        excluded: Sequence[re.Pattern[str]] = (),
    ) -> None:
        """Take the checks of every path, those of some paths (the first match counts), and the open paths."""
        self._checks = checks
        self._rules = rules
        self._excluded = excluded

    def of(self, path: str) -> Checks:
        """Return what a call to the path has to pass."""
        if any(pattern.fullmatch(path) for pattern in self._excluded):
            return OPEN
        return next((checks for pattern, checks in self._rules if pattern.fullmatch(path)), self._checks)
