"""Errors as HTTP answers, the same for every route: ``{"error": text, "code": stable_code}``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import falcon
import falcon.asgi

from core.calls import OK
from core.errors import AuthError
from core.limits import MAX_DETAILS_BYTES, shortened
from server.admission.error_answers import answer_to
from server.observability import calls

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


def install(app: falcon.asgi.App[Any, Any], sign_in: Callable[[falcon.asgi.Request], str | None]) -> None:
    """Make the app answer every error in this one form.

    ``sign_in`` returns the address to which a browser is led that opens a page without credentials.
    """

    async def on_unknown_caller(
        request: falcon.asgi.Request, response: falcon.asgi.Response, error: Exception, parameters: dict[str, Any]
    ) -> None:
        address = sign_in(request)
        if address is None:
            await _on_error(request, response, error, parameters)
            return
        response.status = 303
        response.set_header("location", address)

    app.add_error_handler(Exception, _on_error)
    app.add_error_handler(AuthError, on_unknown_caller)
    app.add_error_handler(falcon.HTTPError, _on_http_error)


async def _on_error(
    request: falcon.asgi.Request, response: falcon.asgi.Response, error: Exception, _parameters: dict[str, Any]
) -> None:
    answer = answer_to(error, f"{request.method} {request.path}")
    if answer.http == 401:  # noqa: PLR2004
        response.set_header("www-authenticate", "Bearer")
    _answer(response, answer.http, answer.text, answer.code)


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
    _answer(response, status, shortened(text, MAX_DETAILS_BYTES), code_of_status(status))


def _answer(response: falcon.asgi.Response, status: int, text: str, code: str) -> None:
    response.status = status
    response.text = None
    response.media = {"error": text, "code": code}
