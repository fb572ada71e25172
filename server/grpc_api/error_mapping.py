"""The error tree as gRPC status codes, once for every call."""

from __future__ import annotations

import grpc

from core import errors

_STATUS: dict[type[errors.FlovynError], grpc.StatusCode] = {
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.WrongState: grpc.StatusCode.FAILED_PRECONDITION,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.LimitExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.NotOffered: grpc.StatusCode.UNIMPLEMENTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.AuthError: grpc.StatusCode.UNAUTHENTICATED,
    errors.AuthzError: grpc.StatusCode.PERMISSION_DENIED,
}


def status_of(error: errors.FlovynError) -> grpc.StatusCode:
    """Return the status of an error; INTERNAL for those that no caller can cause."""
    return next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), grpc.StatusCode.INTERNAL)
