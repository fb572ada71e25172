"""Applies the configured authenticators in order, then the authorizer. Fails closed everywhere."""

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
"""How long one authenticator, or the authorizer, may take; then the call is refused."""

_log = logging.getLogger(__name__)

Answers = dict[str, Identity | FlovynError | None]
"""By the name of an authenticator, what it said of one request; None: it does not know credentials of this kind."""


class UnknownCredentials(AuthError):
    """No authenticator knows the credentials: they may be a guess at a static key."""


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

    async def authenticate(self, request: AuthRequest, answers: Answers | None = None) -> Identity:
        """Return the caller's identity.

        ``answers`` keeps what the authenticators said of the same request: a call that may have to pass one of several
        checks asks each authenticator at most once.

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
                return _nameable(answer, name)
        if "authorization" in request.headers:
            raise UnknownCredentials("the credentials are not known to this server")
        raise AuthError("credentials are required: send 'authorization: Bearer <token>'")

    async def authorize(self, context: AuthzContext) -> None:
        """Return when the call is allowed.

        Raises:
            AuthzError: it is not, or the authorizer failed.
        """
        try:
            decision = _decision_of(await within(TIMEOUT_S, self._authorizer.authorize(context)))
        except FlovynError:
            raise
        except (Exception, asyncio.CancelledError) as error:
            _raise_own_cancellation(error)
            _log.exception("the authorizer failed; the call is refused")
            raise AuthzError("whether this is allowed could not be checked") from error
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
        raise TypeError(f"an AuthResponse is wanted, not {type(response).__name__}")
    return response.identity


def _nameable(identity: Identity, authenticator: str) -> Identity:
    """Return the caller, whose name must be one that can be stored: a signed token may hold any text."""
    for text in (identity.id, *identity.attributes, *identity.attributes.values()):
        if problem := flaw(text):
            _log.warning("authenticator %r found a caller whose name or attribute %s; refused", authenticator, problem)
            raise AuthError(f"the credentials name a caller whose name or attribute {problem}")
    return identity


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
"""The checks of a call to an excluded path: none."""


class AuthStack:
    """The checks of one protocol, by path."""

    def __init__(
        self,
        checks: Checks,
        rules: Sequence[tuple[PathPattern, Checks]] = (),
        excluded: Sequence[re.Pattern[str]] = (),
        guesses: FailureLimit | None = None,
    ) -> None:
        """Take the checks of every path, those of some paths (the first match counts), and the open paths.

        ``guesses`` limits how often a source may send unknown credentials before it is told so.
        """
        self._checks = checks
        self._rules = rules
        self._excluded = excluded
        self._guesses = guesses
        self._refused = LogLimit(_log)

    def is_open(self, path: str) -> bool:
        """Whether a path, as the router sees it, is excluded from all checks."""
        return any(pattern.fullmatch(path) for pattern in self._excluded)

    def of(self, path: str) -> Checks:
        """Return what a call to the path has to pass; for paths that have one spelling and name no tenant."""
        if self.is_open(path):
            return OPEN
        found = segments(path)
        return next((checks for pattern, checks in self._rules if pattern.matches(found)), self._checks)

    def of_route(self, paths: Sequence[str]) -> RouteRules:
        """Return what calls of a route have to pass that is served at all of these paths, with parameters in braces."""
        return rules_of_route(paths, self._rules, self._checks)

    def refusal(self, request: AuthRequest, operation: str, error: FlovynError) -> FlovynError:
        """Return the error of a call whose caller is not known: log it, and count unknown credentials.

        The limit only changes the answer: credentials are looked at first, so valid ones are admitted whatever others
        send from the same address.
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
    """Refuse a call that sends several credentials: whose they are would depend on which of them is looked at.

    Raises:
        AuthError: there are several.
    """
    if count > 1:
        raise AuthError("several 'authorization' headers were sent; send one")
