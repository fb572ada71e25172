"""Applies the configured authenticators in order, then the authorizer. Every failure refuses the call."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence

from core.auth import ANONYMOUS, Authenticator, Authorizer, AuthRequest, AuthResponse, AuthzContext, Decision, Identity
from core.auth.failure_limit import FailureLimit, source
from core.errors import AuthError, AuthzError, FlovynError, LimitExceeded
from core.log_limit import LogLimit
from core.text import flaw
from server.auth.route_rules import RouteRules, rules_of_route
from server.auth.tenant_scope import NoopAuthorizer
from server.auth.time_limit import within
from server.config.path_rules import PathPattern, segments

TIMEOUT_S = 10.0
"""Seconds that one authenticator, or the authorizer, may take; after them the call is refused."""

_log = logging.getLogger(__name__)

Answers = dict[str, Identity | FlovynError | None]
"""The answer to one request by the name of the authenticator; None where the credentials are of another kind."""


class UnknownCredentials(AuthError):
    """No authenticator knows the credentials, which may be a guess at a static key."""


class Checks:
    """The checks of a call: authenticators by name, in order, and an authorizer.

    Without authenticators every caller is ``anonymous``.
    """

    def __init__(
        self,
        authenticators: Sequence[tuple[str, Authenticator]],
        authorizer: Authorizer,
        anonymous: Identity = ANONYMOUS,
    ) -> None:
        self._authenticators = authenticators
        self._authorizer = authorizer
        self._anonymous = anonymous

    async def authenticate(self, request: AuthRequest, answers: Answers | None = None) -> Identity:
        """Return the caller's identity.

        ``answers`` stores the answers to the same request: a call for which several checks are possible asks each
        authenticator at most once.

        Raises:
            AuthError: no authenticator knows the credentials, one refuses them, or one fails.
        """
        if not self._authenticators:
            return self._anonymous
        known: Answers = {} if answers is None else answers
        for name, authenticator in self._authenticators:
            if name not in known:
                known[name] = await _answer(name, authenticator, request)
            answer = known[name]
            if isinstance(answer, FlovynError):
                raise answer
            if answer is not None:
                return _storable(answer, name)
        if "authorization" in request.headers:
            raise UnknownCredentials("the credentials are not known to this server")
        raise AuthError("credentials are required: send 'authorization: Bearer <token>'")

    async def authorize(self, context: AuthzContext) -> None:
        """Return if the call is allowed.

        Raises:
            AuthzError: the call is not allowed, or the authorizer failed.
        """
        try:
            decision = _decision_of(await within(TIMEOUT_S, self._authorizer.authorize(context)))
        except FlovynError:
            raise
        except (Exception, asyncio.CancelledError) as error:
            _raise_own_cancellation(error)
            _log.exception("the authorizer failed; the call is refused")
            raise AuthzError("the authorizer failed; the call is refused") from error
        if decision.allowed is not True:
            raise AuthzError(decision.reason or f"{context.action} {context.resource} is not allowed")


async def _answer(name: str, authenticator: Authenticator, request: AuthRequest) -> Identity | FlovynError | None:
    try:
        return _identity_of(await within(TIMEOUT_S, authenticator.authenticate(request)))
    except FlovynError as error:
        return error
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - logged whole, and refused
        _raise_own_cancellation(error)
        _log.exception("authenticator %r failed; the call is refused", name)
        return AuthError("the credentials could not be checked")


def _identity_of(response: AuthResponse) -> Identity | None:
    if not isinstance(response, AuthResponse) or not isinstance(response.identity, Identity | None):
        raise TypeError(f"the authenticator returned {type(response).__name__}; an AuthResponse is expected")
    return response.identity


def _storable(identity: Identity, authenticator: str) -> Identity:
    """Return the caller if its texts can be stored: a signed token may hold any text."""
    for text in (identity.id, *identity.attributes, *identity.attributes.values()):
        if problem := flaw(text):
            _log.warning(
                "authenticator %r returned a principal whose id or attribute %s; refused", authenticator, problem
            )
            raise AuthError(f"the credentials name a principal whose id or attribute {problem}")
    return identity


def _decision_of(decision: Decision) -> Decision:
    if not isinstance(decision, Decision):
        raise TypeError(f"the authorizer returned {type(decision).__name__}; a Decision is expected")
    return decision


def _raise_own_cancellation(error: BaseException) -> None:
    """Raise the cancellation of the call itself; any other cancellation is a failure of the check."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error


OPEN = Checks([], NoopAuthorizer())
"""The checks of a call to an excluded path: none."""


class AuthStack:
    """The checks of one protocol, by path.

    Args:
        checks: the checks of paths that no rule matches.
        rules: patterns with their checks; the first match counts.
        excluded: paths without checks.
        guesses: limits the calls with unknown credentials of one address.
    """

    def __init__(
        self,
        checks: Checks,
        rules: Sequence[tuple[PathPattern, Checks]] = (),
        excluded: Sequence[re.Pattern[str]] = (),
        guesses: FailureLimit | None = None,
    ) -> None:
        self._checks = checks
        self._rules = rules
        self._excluded = excluded
        self._guesses = guesses
        self._refused = LogLimit(_log)

    def is_open(self, path: str) -> bool:
        """Return whether a path, as the router sees it, is excluded from all checks."""
        return any(pattern.fullmatch(path) for pattern in self._excluded)

    def of(self, path: str) -> Checks:
        """Return the checks of a path that has one spelling and names no tenant."""
        if self.is_open(path):
            return OPEN
        found = segments(path)
        return next((checks for pattern, checks in self._rules if pattern.matches(found)), self._checks)

    def of_route(self, paths: Sequence[str]) -> RouteRules:
        """Return the rules of a route that is served at all of these paths, with parameters in braces."""
        return rules_of_route(paths, self._rules, self._checks)

    def refusal(self, request: AuthRequest, operation: str, error: FlovynError) -> FlovynError:
        """Log the refusal of an unknown caller and count unknown credentials; return the error to answer.

        The limit changes only the answer. Credentials are checked before, so valid ones are always admitted, also from
        an address with many unknown ones.
        """
        if isinstance(error, UnknownCredentials) and self._guesses is not None:
            if self._guesses.allows(request.peer):
                self._guesses.count(request.peer)
            else:
                error = LimitExceeded("too many unknown credentials came from this address; wait a minute, try again")
        peer = source(request.peer) or "an unknown address"
        self._refused.warning(error.code, "the caller of %s from %s was refused: %s", operation, peer, error)
        return error


def require_one_credential(count: int) -> None:
    """Refuse a call with several credentials: its caller would depend on the one that is checked.

    Raises:
        AuthError: there are several credentials.
    """
    if count > 1:
        raise AuthError("several 'authorization' headers were sent; send one")
