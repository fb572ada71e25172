"""The answers to errors, one table for both protocols."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from core import errors
from core.limits import MAX_DETAILS_BYTES, shortened
from server.observability.request_id import REQUEST_ID

_log = logging.getLogger(__name__)

STATUSES: Mapping[type[errors.FlovynError], tuple[int, str]] = {
    errors.InvalidInput: (400, "INVALID_ARGUMENT"),
    errors.AuthError: (401, "UNAUTHENTICATED"),
    errors.AuthzError: (403, "PERMISSION_DENIED"),
    errors.NotFound: (404, "NOT_FOUND"),
    errors.WrongState: (409, "FAILED_PRECONDITION"),
    errors.AlreadyExists: (409, "ALREADY_EXISTS"),
    errors.KeyReused: (422, "ALREADY_EXISTS"),
    errors.TooLarge: (413, "RESOURCE_EXHAUSTED"),
    errors.LimitExceeded: (429, "RESOURCE_EXHAUSTED"),
    errors.NotOffered: (501, "UNIMPLEMENTED"),
    errors.Unavailable: (503, "UNAVAILABLE"),
}
"""The HTTP status and the gRPC status of each kind of error; a subclass has the statuses of its nearest base class."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """The answer to an error.

    Attributes:
        http: HTTP status.
        grpc: name of the gRPC status.
        code: stable code for programs (``core.errors``).
        text: text for people, cut to ``MAX_DETAILS_BYTES``.
    """

    http: int
    grpc: str
    code: str
    text: str


def answer_to(error: BaseException, operation: str) -> ErrorAnswer:
    """Return the answer to an error of a call.

    An error that no caller can cause is logged with its traceback. Its answer is INTERNAL, without the error's text.
    """
    for kind in type(error).__mro__:
        if kind in STATUSES:
            http, grpc = STATUSES[kind]
            code = error.code if isinstance(error, errors.FlovynError) else errors.FlovynError.code
            return ErrorAnswer(http, grpc, code, shortened(str(error), MAX_DETAILS_BYTES))
    _log.error("the call %s failed unexpectedly", operation, exc_info=error)
    text = f"internal error; the server's log has it under request id {REQUEST_ID.get()}"
    return ErrorAnswer(500, "INTERNAL", errors.FlovynError.code, text)
