"""The error tree as HTTP answers, once for every route: ``{"error": text, "code": stable_code}``."""

from __future__ import annotations

import logging
from typing import Any

import falcon
import falcon.asgi

from core import errors
from core.calls import OK
from core.limits import MAX_DETAILS_BYTES, shortened
from server.observability import calls
from server.observability.request_id import REQUEST_ID

_log = logging.getLogger(__name__)

_STATUS: dict[type[errors.FlovynError], int] = {
    errors.InvalidInput: 400,
    errors.AuthError: 401,
    errors.AuthzError: 403,
    errors.NotFound: 404,
    errors.WrongState: 409,
    errors.AlreadyExists: 409,
    errors.KeyReused: 422,
    errors.TooLarge: 413,
    errors.LimitExceeded: 429,
    errors.NotOffered: 501,
    errors.Unavailable: 503,
}

_CODES = {
    400: "invalid_input",
    401: "unauthenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "invalid_input",
}


def code_of(error: BaseException) -> str:
    """Return the code of the answer to what a handler raised."""
    if isinstance(error, falcon.HTTPStatus):
        return code_of_status(falcon.http_status_to_code(error.status))
    if isinstance(error, falcon.HTTPError):
        return code_of_status(falcon.http_status_to_code(error.status))
    return calls.code_of(error)


def code_of_status(status: int) -> str:
    """Return the code of an answer with this status."""
    if status < 400:  # noqa: PLR2004
        return OK
    return _CODES.get(status, "invalid_input" if status < 500 else "internal")  # noqa: PLR2004


def install(app: falcon.asgi.App[Any, Any]) -> None:
    """Make the app answer every error in the one form."""
    app.add_error_handler(Exception, _on_bug)
    app.add_error_handler(falcon.HTTPError, _on_http_error)
    app.add_error_handler(errors.FlovynError, _on_expected)


async def _on_expected(
    _request: falcon.asgi.Request, response: falcon.asgi.Response, error: Exception, _parameters: dict[str, Any]
) -> None:
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
    if status == 500:  # noqa: PLR2004
        await _on_bug(_request, response, error, _parameters)
        return
    if status == 401:  # noqa: PLR2004
        response.set_header("www-authenticate", "Bearer")
    _answer(response, status, str(error), getattr(error, "code", "internal"))


async def _on_http_error(
    request: falcon.asgi.Request, response: falcon.asgi.Response, error: Exception, _parameters: dict[str, Any]
) -> None:
    assert isinstance(error, falcon.HTTPError)
    status = falcon.http_status_to_code(error.status)
    text = error.description or error.title or "the request cannot be served"
    if status == 404:  # noqa: PLR2004
        text = f"there is nothing at {request.path}"
    if status == 405:  # noqa: PLR2004
        text = f"{request.method} is not possible at {request.path}"
    response.set_headers(error.headers or {})
    _answer(response, status, text, code_of_status(status))


async def _on_bug(
    request: falcon.asgi.Request, response: falcon.asgi.Response, error: Exception, _parameters: dict[str, Any]
) -> None:
    _log.error("%s %s failed unexpectedly", request.method, request.path, exc_info=error)
    _answer(response, 500, f"internal error; the server's log has it under request id {REQUEST_ID.get()}", "internal")


def _answer(response: falcon.asgi.Response, status: int, text: str, code: str) -> None:
    response.status = status
    response.text = None
    response.media = {"error": shortened(text, MAX_DETAILS_BYTES), "code": code}
