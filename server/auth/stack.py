"""Applies the configured authenticators in order, then the authorizer. Fails closed everywhere."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence

from core.auth import ANONYMOUS, Authenticator, Authorizer, AuthRequest, AuthResponse, AuthzContext, Decision, Identity
from core.errors import AuthError, AuthzError, FlovynError
from server.auth.tenant_scope import NoopAuthorizer

TIMEOUT_S = 10.0
"""How long one authenticator, or the authorizer, may take; then the call is refused."""

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
                async with asyncio.timeout(TIMEOUT_S):
                    identity = _identity_of(await authenticator.authenticate(request))
            except FlovynError:
                raise
            except (Exception, asyncio.CancelledError) as error:
                _raise_own_cancellation(error)
                _log.exception("authenticator %r failed; the call is refused", name)
                raise AuthError("the credentials could not be checked") from error
            if identity is not None:
                return identity
        if "authorization" in request.headers:
            raise AuthError("the credentials are not known to this server")
        raise AuthError("credentials are required: send 'authorization: Bearer <token>'")

    async def authorize(self, context: AuthzContext) -> None:
        """Return when the call is allowed.

        Raises:
            AuthzError: it is not, or the authorizer failed.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                decision = _decision_of(await self._authorizer.authorize(context))
        except FlovynError:
            raise
        except (Exception, asyncio.CancelledError) as error:
            _raise_own_cancellation(error)
            _log.exception("the authorizer failed; the call is refused")
            raise AuthzError("whether this is allowed could not be checked") from error
        if decision.allowed is not True:
            raise AuthzError(decision.reason or f"{context.action} {context.resource} is not allowed")


def _identity_of(response: AuthResponse) -> Identity | None:
    if not isinstance(response, AuthResponse) or not isinstance(response.identity, Identity | None):
        raise TypeError(f"an AuthResponse is wanted, not {type(response).__name__}")
    return response.identity


def _decision_of(decision: Decision) -> Decision:
    if not isinstance(decision, Decision):
        raise TypeError(f"a Decision is wanted, not {type(decision).__name__}")
    return decision


def _raise_own_cancellation(error: BaseException) -> None:
    """Go on with the cancellation of the call itself; one that comes out of a check by itself is a failure of it."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error


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

    @property
    def has_rules(self) -> bool:
        """Whether some paths have checks of their own."""
        return bool(self._rules)

    def of(self, path: str, others: Sequence[str] = ()) -> Checks:
        """Return what a call to the path has to pass.

        ``others`` are further places of the same endpoint: a rule that names any of them counts, so that an alias
        is no way around it.
        """
        if any(pattern.fullmatch(path) for pattern in self._excluded):
            return OPEN
        places = (path, *others)
        return next(
            (checks for pattern, checks in self._rules if any(map(pattern.fullmatch, places))),
            self._checks,
        )
