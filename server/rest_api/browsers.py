"""Requests of browsers: the place below which pages are served, the cookie of a session, and requests across sites."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import falcon.asgi

from core.errors import AuthzError

COOKIE: Final = "flovyn_session"

HEADER: Final = "x-flovyn-session"
"""A page of the server sends it with each change. A form cannot send it, and pages of other sites may not."""

Request = falcon.asgi.Request

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_READS = ("GET", "HEAD")
_PAST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Browsers:
    """The settings about browsers.

    Attributes:
        base_path: the path below which a reverse proxy serves this server, where the proxy does not send it.
        origins: origins of pages beside the one that the request names.
    """

    base_path: str = ""
    origins: frozenset[str] = frozenset()

    def base(self, request: Request) -> str:
        """Return the path below which a browser sees this server: empty, or with a slash at its beginning alone."""
        sent = (request.get_header("x-forwarded-prefix") or "").rstrip("/")
        return sent if sent and _is_path(sent) else self.base_path

    def set_cookie(self, request: Request, response: falcon.asgi.Response, text: str, ends: datetime) -> None:
        """Let the browser keep a session until it ends."""
        response.set_cookie(
            COOKIE,
            text,
            expires=ends,
            path=self.base(request) + "/",
            secure=_is_secure(request),
            http_only=True,
            same_site="Strict",
        )

    def unset_cookie(self, request: Request, response: falcon.asgi.Response) -> None:
        """Let the browser forget its session."""
        path, secure = self.base(request) + "/", _is_secure(request)
        response.set_cookie(COOKIE, "", expires=_PAST, path=path, secure=secure, http_only=True, same_site="Strict")

    def check_origin(self, request: Request) -> None:
        """Check that a request with the cookie of a session comes from a page of this server.

        Browsers send cookies with requests that other sites cause. ``SameSite=Strict`` keeps most of them away; this
        check stands for the others: pages of sibling domains, other ports of one host, and old browsers.

        Raises:
            AuthzError: it comes from elsewhere, or is a change without the header.
        """
        site, origin = request.get_header("sec-fetch-site"), request.get_header("origin")
        opened = request.get_header("sec-fetch-mode") == "navigate" and request.method in _READS
        if site not in (None, "same-origin", "none") and not opened:
            raise AuthzError("a page of another site sent this request with the cookie of a session; it is refused")
        if origin is not None and not self._is_own(request, origin):
            raise AuthzError(
                "the origin of this request is another site; a proxy that changes the host must send X-Forwarded-Host,"
                " or sessions.origins must name the origin"
            )
        if request.method in _READS:
            return
        if site is None and origin is None:
            raise AuthzError("a change with the cookie of a session needs the header Origin or Sec-Fetch-Site")
        if request.get_header(HEADER) is None:
            raise AuthzError(f"a change with the cookie of a session needs the header {HEADER}")

    def _is_own(self, request: Request, origin: str) -> bool:
        if origin in self.origins:
            return True
        hosts = {request.get_header("host"), request.get_header("x-forwarded-host")}
        return urlsplit(origin).netloc in hosts - {None, ""}


def cookie_of(request: Request) -> str | None:
    """Return the text of the session's cookie; None without one, or with several."""
    texts = request.get_cookie_values(COOKIE) or []
    return texts[0] if len(texts) == 1 else None


def _is_path(text: str) -> bool:
    return _PREFIX.fullmatch(text) is not None and not any(each in (".", "..") for each in text.split("/"))


def _is_secure(request: Request) -> bool:
    return "https" in (request.scheme, request.forwarded_scheme)
