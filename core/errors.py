"""The one error tree of the server and its plugins.

Every error that a person or a program may meet is one of these. ``code`` is stable and goes to
REST clients; the class decides the HTTP and the gRPC status, mapped once in each API.
The message says what happened, on what, and what to do; it never holds a secret.
"""

from __future__ import annotations


class FlovynError(Exception):
    """Base of every expected error; ``str(error)`` is the text that the caller or operator reads."""

    code = "internal"


class InvalidInput(FlovynError):
    """The caller sent something malformed: an id, JSON, a missing field, a value out of range."""

    code = "invalid_input"


class TooBroad(InvalidInput):
    """A search or a count was ended, because it took too long; the text says how to narrow it."""

    code = "too_broad"


class NotFound(FlovynError):
    """The named thing does not exist, or belongs to another tenant."""

    code = "not_found"


class WrongState(FlovynError):
    """The thing exists, but its state does not allow the action."""

    code = "wrong_state"


class AlreadyExists(FlovynError):
    """Something with that unique name or key exists."""

    code = "already_exists"


class KeyReused(AlreadyExists):
    """The idempotency key of a call belongs to an earlier call with another content."""

    code = "idempotency_key_reused"


class AnswerNotKept(AlreadyExists):
    """The call of an idempotency key was carried out before, and its answer held a secret, which is not stored."""

    code = "answer_not_kept"


class LimitExceeded(FlovynError):
    """A size, a rate or a quota is used up."""

    code = "limit_exceeded"


class TooLarge(LimitExceeded):
    """A body or a payload is larger than the server takes."""

    code = "too_large"


class NotOffered(FlovynError):
    """The server does not offer this call or feature."""

    code = "not_offered"


class Unavailable(FlovynError):
    """The server cannot serve now (database away, draining); the same call may succeed later."""

    code = "unavailable"


class Collision(Unavailable):
    """Conflict with a concurrent transaction; nothing was written, retry."""

    code = "unavailable"


class AuthError(FlovynError):
    """The caller is not authenticated: credentials are missing, wrong, revoked or expired."""

    code = "unauthenticated"


class AuthzError(FlovynError):
    """The caller is known and may not do this."""

    code = "permission_denied"


class StartupError(FlovynError):
    """The server cannot start; the message goes to standard error as it is, without a traceback."""

    code = "startup"


class ConfigError(StartupError):
    """The configuration is wrong; the message lists every problem with its key and variable."""

    code = "configuration"


class MigrationError(StartupError):
    """A migration was refused, failed, or contradicts what the database has recorded."""

    code = "migration"


class PluginError(StartupError):
    """A plugin broke the contract of ``core.plugin``; the message names the plugin and the hook."""

    code = "plugin"


def one_line(error: BaseException) -> str:
    """Return an error's type and the first line of its text, for a message that names the place."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
